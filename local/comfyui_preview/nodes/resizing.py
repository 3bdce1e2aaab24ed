"""Pictures of another size or number. All of it stays lazy."""

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from local.comfyui_preview.engine.inputs import choice, integer, link, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics.frames import Changed, Frames, cut, span
from local.comfyui_preview.values import Image, Picture

_METHODS = {
    "nearest-exact": PillowImage.Resampling.NEAREST,
    "bilinear": PillowImage.Resampling.BILINEAR,
    "area": PillowImage.Resampling.BOX,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
}


def scaled(one: Picture, width: int, height: int, method: str, *, centre: bool) -> Picture:
    """Stretched to the size, or with `centre` cut around the middle so that nothing is stretched."""
    source = PillowImage.fromarray(one)
    resample = _METHODS[method]
    return np.asarray(
        ImageOps.fit(source, (width, height), resample) if centre else source.resize((width, height), resample)
    )


def _all_scaled(images: Image, width: int, height: int, method: str, *, centre: bool = False) -> Frames:
    if (width, height) == (images.width, images.height):
        return images
    return Changed(images, lambda one: scaled(one, width, height, method, centre=centre), width, height)


def _longest(images: Image, longest: int) -> tuple[int, int]:
    scale = longest / max(images.width, images.height)
    return max(1, round(images.width * scale)), max(1, round(images.height * scale))


class ResizeImagesByLongerEdge(Node):
    inputs = takes(images=link("IMAGE"), longer_edge=integer(1024, 1, 8192))
    outputs = (("IMAGE", "images"),)

    def run(self, *, images: Image, longer_edge: int) -> Result:
        return Result((_all_scaled(images, *_longest(images, longer_edge), "lanczos"),))


class ImageScaleToMaxDimension(Node):
    inputs = takes(
        image=link("IMAGE"),
        upscale_method=choice("area", "lanczos", "bilinear", "nearest-exact", "bicubic"),
        largest_size=integer(512, 0, 16384),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image, upscale_method: str, largest_size: int) -> Result:
        return Result((_all_scaled(image, *_longest(image, largest_size), upscale_method),))


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
        return Result((_all_scaled(image, width, height, upscale_method, centre=crop == "center"),))


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
