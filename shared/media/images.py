"""Pictures of users: looked at with suspicion, then fitted to the size that is generated."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from shared.errors import UserError

MAX_PIXELS = 40_000_000
"""More than a 36-megapixel camera makes; decoded it takes about 160 MB."""
MAX_BYTES = 20 * 1024 * 1024
"""What a phone's largest JPEG has, with room; checked before anything is decoded."""
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WEBP"}
"""What Pillow calls it -> what we call it. MPO is the JPEG of phones, with more pictures behind the first."""
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
BEHIND = (255, 255, 255)
"""White shines through where a picture is transparent, as on the page where the user saw it."""


@dataclass(frozen=True)
class ImageInfo:
    """A picture that can be decoded. The size is the upright one, after EXIF rotation."""

    format: str
    """JPEG, PNG or WEBP."""
    media_type: str
    width: int
    height: int


def check_image(path: Path) -> ImageInfo:
    """Decode a user's picture wholly, and say what it is.

    UserError input_not_media (no JPEG, PNG or WebP; damaged; animated), input_too_large (over 40 megapixels).
    """
    with _opened(path) as (kind, upright):
        return ImageInfo(kind, MEDIA_TYPES[kind], upright.width, upright.height)


def normalise_image(source: Path, target: Path, *, delivered: tuple[int, int], generated: tuple[int, int]) -> None:
    """Fit a picture to the sampled size, so that the final crop removes only padding. Writes an RGB PNG.

    The middle of the picture covers `delivered` (width, height); rows and columns around it, up to `generated`,
    mirror its edges (1280x720 -> 1280x768 with 24 rows above and below). Transparency becomes white. Errors are
    those of `check_image`.
    """
    with _opened(source) as (_, upright):
        fitted = ImageOps.fit(_flat(upright), delivered, method=Image.Resampling.LANCZOS)
    spare = (generated[1] - delivered[1], generated[0] - delivered[0])
    if min(spare) < 0 or spare[0] % 2 or spare[1] % 2:
        raise ValueError(f"{delivered} cannot be padded evenly to {generated}")
    rows, columns = spare[0] // 2, spare[1] // 2
    padded = np.pad(np.asarray(fitted), ((rows, rows), (columns, columns), (0, 0)), mode="reflect")
    Image.fromarray(padded).save(target, format="PNG", compress_level=1)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[str, Image.Image]]:
    """The decoded, upright picture and its format. Size and kind are judged before a pixel is decoded."""
    try:
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(f"has {image.width}x{image.height} pixels")
            kind = FORMATS[image.format or ""]
            if kind != "JPEG" and getattr(image, "is_animated", False):
                raise UserError("input_not_media", "the image is animated; send a still one")
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("is far too large") from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError) as error:
        # Pillow's decoders raise all of these on damaged files
        raise UserError(
            "input_not_media", "the image cannot be read; send an undamaged JPEG, PNG or WebP file"
        ) from error
    yield kind, upright


def _too_large(how: str) -> UserError:
    return UserError(
        "input_too_large",
        f"the image {how}; at most {MAX_PIXELS // 1_000_000} megapixels are taken, and 1920x1080 is all that is used",
    )


def _flat(image: Image.Image) -> Image.Image:
    """In RGB, without transparency."""
    if image.mode.startswith("I;16"):  # 16-bit grey PNG: Pillow would clip it to white
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, (*BEHIND, 255)), above).convert("RGB")
