"""Pictures: loading, making, worsening, saving, and putting one into a video latent."""

import io
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from local.comfyui_preview.engine.inputs import flag, input_file, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result, content_of, show
from local.comfyui_preview.folders import Folders, FolderType, OutsideError
from local.comfyui_preview.nodes.resizing import scaled
from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import resize
from local.comfyui_preview.numerics.colour import from_rgb
from local.comfyui_preview.numerics.frames import Stills, changed, picture
from local.comfyui_preview.values import AudioVideoMask, Image, Latent, Picture


class LoadImage(Node):
    inputs = takes(image=input_file(".png", ".jpg", ".jpeg", ".webp"))
    outputs = (("IMAGE", "IMAGE"), ("MASK", "MASK"))
    judged = ("image",)

    @classmethod
    def problem(cls, folders: Folders, literals: dict[str, Any]) -> str | None:
        try:
            there = folders.annotated(literals["image"]).is_file()
        except OutsideError:
            there = False
        return None if there else f"Invalid image file: {literals['image']}"

    @classmethod
    def fingerprint(cls, folders: Folders, literals: dict[str, Any]) -> str:
        return content_of(folders.annotated(literals["image"]))

    def run(self, *, image: str) -> Result:
        with PillowImage.open(self.job.folders.annotated(image)) as file:
            upright = ImageOps.exif_transpose(file).convert("RGB")
        one = np.asarray(upright)
        return Result((Stills(one[np.newaxis]), np.zeros(one.shape[:2], np.float32)))


class EmptyImage(Node):
    inputs = takes(
        width=integer(512, 1, 16384),
        height=integer(512, 1, 16384),
        batch_size=integer(1, 1, 4096),
        color=integer(0, 0, 0xFFFFFF),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, width: int, height: int, batch_size: int, color: int) -> Result:
        rgb = np.array([color >> 16, color >> 8 & 0xFF, color & 0xFF], np.uint8)
        return Result((Stills(np.broadcast_to(rgb, (batch_size, height, width, 3))),))


class ImageInvert(Node):
    inputs = takes(image=link("IMAGE"))
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image) -> Result:
        return Result((changed(image, lambda one: 255 - one),))


class LTXVPreprocess(Node):
    """Worsens the picture a little, as video compression would; 0 leaves it alone."""

    inputs = takes(image=link("IMAGE"), img_compression=integer(35, 0, 100))
    outputs = (("IMAGE", "output_image"),)

    def run(self, *, image: Image, img_compression: int) -> Result:
        if img_compression == 0:
            return Result((image,))
        quality = max(1, 95 - img_compression // 2)

        def worse(one: Picture) -> Picture:
            buffer = io.BytesIO()
            PillowImage.fromarray(one).save(buffer, "JPEG", quality=quality)
            return np.asarray(PillowImage.open(buffer))

        return Result((changed(image, worse),))


class LTXVImgToVideoInplace(Node):
    """Puts the picture into latent frame 0 and masks it by 1 - strength; crops it to the latent's proportions."""

    inputs = takes(
        vae=link("VAE"),
        image=link("IMAGE"),
        latent=link("LATENT"),
        strength=number(1.0, 0.0, 1.0),
        bypass=flag(default=False),
    )
    outputs = (("LATENT", "latent"),)

    def run(self, *, image: Image, latent: Latent, strength: float, bypass: bool, **_: Any) -> Result:
        if bypass:
            return Result((latent,))
        samples = latent.plain().copy()
        _, _, frames, height, width = samples.shape
        one = scaled(picture(image, 0), width * codec.CELL, height * codec.CELL, "bilinear", centre=True)
        luma, *chroma = from_rgb(one)
        codec.write_luma(samples[0], 0, resize(luma, *codec.luma_shape(height, width)))
        small = [resize(plane, *codec.chroma_shape(height, width)) for plane in chroma]
        codec.write_chroma(samples[0], 0, np.stack(small))
        mask = np.ones((1, 1, frames, 1, 1), np.float32)
        if latent.mask is not None and not isinstance(latent.mask, AudioVideoMask):
            mask = mask * latent.mask
        mask[:, :, :1] = 1.0 - strength
        return Result((Latent(samples, mask),))


class SaveImage(Node):
    inputs = takes(images=link("IMAGE"), filename_prefix=text("ComfyUI"))
    outputs = (("IMAGE", "images"),)
    is_output = True
    folder: FolderType = "output"

    def run(self, *, images: Image, filename_prefix: str = "ComfyUI_temp") -> Result:
        files = []
        for one in images.pictures(0, images.count):
            saved = self.job.folders.next_output(filename_prefix, self.folder)
            path = saved.path(".png")
            PillowImage.fromarray(one).save(path)
            files += show("images", path, saved.subfolder, self.folder)["images"]
        return Result((images,), {"images": files})


class PreviewImage(SaveImage):
    inputs = takes(images=link("IMAGE"))
    folder: FolderType = "temp"
