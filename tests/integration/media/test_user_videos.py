"""Videos of users: what is taken, and what is refused before it can do harm."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from shared.errors import UserError
from shared.geometry import Size
from shared.media import check_video, fit_video, probe
from shared.media.users import MAX_BYTES

pytestmark = pytest.mark.usefixtures("as_in_the_images")
Make = Callable[..., Path]
WEBM = ("-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-pix_fmt", "yuv420p")


async def fit(source: Path) -> Path:
    target = source.with_name("control.mp4")
    await fit_video(source, target, delivered=Size(256, 144), generated=Size(256, 192), frames=25, fps=24, timeout=60)
    return target


@pytest.mark.parametrize(
    ("name", "codecs", "media_type"),
    [
        ("clip.mp4", H264, "video/mp4"),
        ("clip.mov", H264, "video/mp4"),
        ("clip.webm", WEBM, "video/webm"),
        ("clip.mkv", H264, "video/x-matroska"),
        ("mpeg4.mp4", ("-c:v", "mpeg4"), "video/mp4"),
    ],
)
async def test_what_cameras_and_browsers_write_is_taken(
    make_clip: Make, name: str, codecs: tuple[str, ...], media_type: str
) -> None:
    source = make_clip(frames=30, fps=30, name=name, codecs=codecs)
    found = await check_video(source)
    assert (found.media_type, found.width, found.height, found.frames) == (media_type, 256, 192, 30)
    assert found.seconds == pytest.approx(1, abs=0.05)
    assert (await probe(await fit(source))).frames == 25


@pytest.mark.parametrize(
    ("clip", "says"),
    [
        ({"frames": 61, "fps": 1}, "lasts 61 s; at most 60 s"),
        ({"frames": 1, "size": "3842x2160"}, "has 3842x2160 pixels"),
        ({"frames": 14_500, "fps": 1000, "size": "16x16"}, "has 14500 frames"),
    ],
)
async def test_what_is_too_much_is_refused(make_clip: Make, clip: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match="input_too_large") as raised:
        await check_video(make_clip(**clip))
    assert says in str(raised.value)


async def test_a_ten_minute_video_is_refused_without_decoding_it(make_clip: Make) -> None:
    with pytest.raises(UserError, match=r"input_too_large.*lasts 600 s"):
        await check_video(make_clip(frames=600, fps=1, size="64x36"))


async def test_too_many_bytes_are_refused_before_anything_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1_000_000)
    with pytest.raises(UserError, match=r"input_too_large.*101 MB"):
        await check_video(path)


def damaged(path: Path, *, after: int) -> Path:
    """Its index stays, and so many bytes of its pictures."""
    body = bytearray(path.read_bytes())
    start = body.index(b"mdat") + 4 + after
    body[start:] = b"\x5a" * (len(body) - start)
    path.write_bytes(body)
    return path


async def test_what_is_no_video_is_refused(make_clip: Make, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    for body in (b"", b"just a text, whatever its name says", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"):
        theirs.write_bytes(body)
        with pytest.raises(UserError, match="input_not_media"):
            await check_video(theirs)
    Image.new("RGB", (64, 36)).save(theirs, "PNG")
    with pytest.raises(UserError, match="input_not_media"):
        await check_video(theirs)
    with pytest.raises(UserError, match=r"input_not_media.*rawvideo"):
        await check_video(make_clip(frames=2, name="raw.mkv", codecs=("-c:v", "rawvideo", "-pix_fmt", "yuv420p")))
    empty = make_clip(frames=24, codecs=(*H264, "-movflags", "+faststart"))
    damaged(empty, after=0)
    with pytest.raises(UserError, match="input_not_media"):
        await check_video(empty)
    with pytest.raises(UserError, match="input_not_media"):
        await fit(empty)


async def test_a_video_that_only_looks_whole_is_decoded_to_know(make_clip: Make) -> None:
    source = damaged(make_clip(frames=24, codecs=(*H264, "-movflags", "+faststart")), after=700)
    assert (await probe(source)).frames == 24
    with pytest.raises(UserError, match=r"input_not_media.*cannot be decoded"):
        await check_video(source)


async def test_frames_that_are_larger_than_what_is_taken_are_not_decoded(make_clip: Make) -> None:
    with pytest.raises(UserError, match="input_not_media"):
        await fit(make_clip(frames=2, size="5120x2880", codecs=H264))
