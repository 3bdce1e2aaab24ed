"""Pictures of users: what is taken, what is refused, and where every pixel goes."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import UserError
from shared.media import ImageInfo, check_image, normalise_image

HD = {"delivered": (1280, 720), "generated": (1280, 768)}
FULL_HD = {"delivered": (1920, 1080), "generated": (1920, 1088)}
DRAFT = {"delivered": (256, 144), "generated": (256, 192)}


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(path: Path, image: Image.Image, **how: object) -> Path:
    image.save(path, **how)  # type: ignore[arg-type]
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that announce a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_the_three_kinds_are_taken_whatever_their_names(tmp_path: Path, kind: str, media_type: str) -> None:
    path = saved(tmp_path / "inputs", noise(64, 36), format=kind)
    assert check_image(path) == ImageInfo(kind, media_type, 64, 36)
    normalise_image(path, tmp_path / "out.png", **DRAFT)
    assert pixels(tmp_path / "out.png").shape == (192, 256, 3)


@pytest.mark.parametrize(("sizes", "rows"), [(HD, 24), (FULL_HD, 4), (DRAFT, 24)], ids=["720p", "1080p", "draft"])
def test_only_padding_surrounds_the_picture(tmp_path: Path, sizes: dict[str, tuple[int, int]], rows: int) -> None:
    picture = noise(*sizes["delivered"])
    normalise_image(saved(tmp_path / "in.png", picture), tmp_path / "out.png", **sizes)
    out, original = pixels(tmp_path / "out.png"), np.asarray(picture)
    assert out.shape[:2] == sizes["generated"][::-1]
    assert (out[rows:-rows] == original).all()
    assert (out[:rows] == original[rows:0:-1]).all()
    assert (out[-rows:] == original[-2 : -rows - 2 : -1]).all()


def test_a_tall_picture_covers_the_frame_by_its_middle(tmp_path: Path) -> None:
    tall = Image.new("RGB", (256, 600), "red")
    tall.paste("green", (0, 228, 256, 372))
    normalise_image(saved(tmp_path / "in.png", tall), tmp_path / "out.png", **DRAFT)
    assert (pixels(tmp_path / "out.png") == (0, 128, 0)).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees to show it upright
    lying = Image.new("RGB", (144, 256), "red")
    lying.paste("blue", (0, 0, 144, 128))
    path = saved(tmp_path / "in.jpg", lying, exif=exif, quality=95)
    assert check_image(path) == ImageInfo("JPEG", "image/jpeg", 256, 144)
    normalise_image(path, tmp_path / "out.png", **DRAFT)
    out = pixels(tmp_path / "out.png")
    assert out[96, 20, 0] > 240
    assert out[96, 235, 2] > 240


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (256, 144), (10, 20, 30, 0))
    path = tmp_path / "in.png"
    if mode == "P":
        saved(path, Image.new("P", (256, 144), 0), transparency=0)
    else:
        saved(path, clear.convert(mode))
    normalise_image(path, tmp_path / "out.png", **DRAFT)
    assert (pixels(tmp_path / "out.png") == 255).all()


@pytest.mark.parametrize(
    ("make", "grey"),
    [
        (lambda: Image.fromarray(np.full((144, 256), 0x8000, dtype=np.uint16)), 128),
        (lambda: Image.new("L", (256, 144), 128), 128),
        (lambda: Image.new("1", (256, 144), 1), 255),
    ],
    ids=["16 bit", "8 bit", "1 bit"],
)
def test_grey_pictures_keep_their_brightness(tmp_path: Path, make: Callable[[], Image.Image], grey: int) -> None:
    normalise_image(saved(tmp_path / "in.png", make()), tmp_path / "out.png", **DRAFT)
    assert (pixels(tmp_path / "out.png") == grey).all()


def test_a_cmyk_jpeg_and_a_phone_with_two_pictures_in_one_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "cmyk.jpg", Image.new("CMYK", (256, 144), (0, 255, 255, 0)))
    normalise_image(path, tmp_path / "out.png", **DRAFT)
    assert pixels(tmp_path / "out.png")[96, 128, 0] > 200
    many = saved(tmp_path / "mpo.jpg", noise(64, 36), format="MPO", save_all=True, append_images=[noise(64, 36)])
    assert check_image(many) == ImageInfo("JPEG", "image/jpeg", 64, 36)


def jpeg() -> bytes:
    out = BytesIO()
    noise(64, 64).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello, I am a text file\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        jpeg()[:400],
        jpeg()[:-200],
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 40,
        png_that_claims(64, 64),
        b"RIFF\x10\x00\x00\x00WEBPVP8 \x00\x00\x00\x00",
    ],
    ids=["empty", "text", "svg", "pdf", "gif", "jpeg head", "cut jpeg", "bad png", "png without pixels", "webp"],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "theirs").write_bytes(body)
    with pytest.raises(UserError, match="input_not_media"):
        check_image(tmp_path / "theirs")
    with pytest.raises(UserError, match="input_not_media"):
        normalise_image(tmp_path / "theirs", tmp_path / "out.png", **DRAFT)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(tmp_path: Path, kind: str) -> None:
    frames = [noise(32, 32), Image.new("RGB", (32, 32))]
    path = saved(tmp_path / "moving", frames[0], format=kind, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=r"input_not_media.*animated"):
        check_image(path)


@pytest.mark.parametrize("size", [(8000, 5001), (10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb").write_bytes(png_that_claims(*size))
    with pytest.raises(UserError, match=r"input_too_large.*40 megapixels"):
        check_image(tmp_path / "bomb")


def test_sizes_that_cannot_be_padded_evenly_are_a_fault_of_ours(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.png", noise(16, 9))
    with pytest.raises(ValueError, match="cannot be padded evenly"):
        normalise_image(path, tmp_path / "out.png", delivered=(16, 9), generated=(16, 10))
