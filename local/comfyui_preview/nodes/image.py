"""Pictures: loading, resizing, cutting, saving, and putting one into a video latent."""

import io
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from local.comfyui_preview.engine.inputs import choice, flag, input_file, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result, content_of, show
from local.comfyui_preview.folders import Folders, FolderType, OutsideError
from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import resize
from local.comfyui_preview.numerics.colour import from_rgb
from local.comfyui_preview.numerics.frames import Stills, cut, picture, span
from local.comfyui_preview.values import AudioVideoMask, Image, Latent, Picture

_METHODS = {
    "nearest-exact": PillowImage.Resampling.NEAREST,
    "bilinear": PillowImage.Resampling.BILINEAR,
    "area": PillowImage.Resampling.BOX,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
}


def _all(images: Image) -> list[Picture]:
    return [picture(images, index) for index in range(images.count)]


def _scaled(one: Picture, width: int, height: int, method: str, *, centre: bool) -> Picture:
    source = PillowImage.fromarray(one)
    resample = _METHODS[method]
    scaled = ImageOps.fit(source, (width, height), resample) if centre else source.resize((width, height), resample)
    return np.asarray(scaled)


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
        return Result((Stills(255 - np.stack(_all(image))),))


class ResizeImagesByLongerEdge(Node):
    inputs = takes(images=link("IMAGE"), longer_edge=integer(1024, 1, 8192))
    outputs = (("IMAGE", "images"),)

    def run(self, *, images: Image, longer_edge: int) -> Result:
        scale = longer_edge / max(images.width, images.height)
        width, height = (max(1, round(side * scale)) for side in (images.width, images.height))
        return Result((Stills(np.stack([_scaled(i, width, height, "lanczos", centre=False) for i in _all(images)])),))


class ImageScale(Node):
    """A width or height of 0 keeps the proportions."""

    inputs = takes(
        image=link("IMAGE"),
        upscale_method=choice(*_METHODS),
        width=integer(512, 0, 16384),
        height=integer(512, 0, 16384),
        crop=choice("disabled", "center"),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image, upscale_method: str, width: int, height: int, crop: str) -> Result:
        if width == 0 and height == 0:
            return Result((image,))
        width = width or max(1, round(image.width * height / image.height))
        height = height or max(1, round(image.height * width / image.width))
        centre = crop == "center"
        return Result(
            (Stills(np.stack([_scaled(i, width, height, upscale_method, centre=centre) for i in _all(image)])),)
        )


class LTXVPreprocess(Node):
    """Worsens the picture a little, as video compression would; 0 leaves it alone."""

    inputs = takes(image=link("IMAGE"), img_compression=integer(35, 0, 100))
    outputs = (("IMAGE", "output_image"),)

    def run(self, *, image: Image, img_compression: int) -> Result:
        if img_compression == 0:
            return Result((image,))
        worse = []
        for one in _all(image):
            buffer = io.BytesIO()
            PillowImage.fromarray(one).save(buffer, "JPEG", quality=max(1, 95 - img_compression // 2))
            worse.append(np.asarray(PillowImage.open(buffer)))
        return Result((Stills(np.stack(worse)),))


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
        one = _scaled(picture(image, 0), width * codec.CELL, height * codec.CELL, "bilinear", centre=True)
        luma, *chroma = from_rgb(one)
        codec.write_luma(samples[0], 0, resize(luma, *codec.luma_shape(height, width)))
        small = [resize(plane, *codec.chroma_shape(height, width)) for plane in chroma]
        codec.write_chroma(samples[0], 0, np.stack(small))
        mask = np.ones((1, 1, frames, 1, 1), np.float32)
        if latent.mask is not None and not isinstance(latent.mask, AudioVideoMask):
            mask = mask * latent.mask
        mask[:, :, :1] = 1.0 - strength
        return Result((Latent(samples, mask),))


class ImageCrop(Node):
    inputs = takes(
        image=link("IMAGE"),
        width=integer(512, 1, 16384),
        height=integer(512, 1, 16384),
        x=integer(0, 0, 16384),
        y=integer(0, 0, 16384),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image, width: int, height: int, x: int, y: int) -> Result:
        return Result((cut(image, x=x, y=y, width=width, height=height),))


class ImageFromBatch(Node):
    inputs = takes(
        image=link("IMAGE"),
        batch_index=integer(0, -16384, 16384),
        length=integer(1, 1, 4096),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image, batch_index: int, length: int) -> Result:
        first = min(batch_index + image.count if batch_index < 0 else batch_index, image.count - 1)
        first = max(first, 0)
        return Result((span(image, first, min(length, image.count - first)),))


class SaveImage(Node):
    inputs = takes(images=link("IMAGE"), filename_prefix=text("ComfyUI"))
    outputs = (("IMAGE", "images"),)
    is_output = True
    folder: FolderType = "output"

    def run(self, *, images: Image, filename_prefix: str = "ComfyUI_temp") -> Result:
        files = []
        for one in _all(images):
            saved = self.job.folders.next_output(filename_prefix, self.folder)
            path = saved.path(".png")
            PillowImage.fromarray(one).save(path)
            files += show("images", path, saved.subfolder, self.folder)["images"]
        return Result((images,), {"images": files})


class PreviewImage(SaveImage):
    inputs = takes(images=link("IMAGE"))
    folder: FolderType = "temp"


class PreviewAny(Node):
    inputs = takes(source=link("*"))
    outputs = (("STRING", "STRING"),)
    is_output = True

    def run(self, *, source: Any) -> Result:
        return Result((str(source),), {"text": [str(source)]})
