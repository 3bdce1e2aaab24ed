"""Delivered videos are exact: size, frames, rate, seconds, sound; on 24 and 48 fps."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared import delivery, geometry
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError, UserError
from shared.media import check_delivered, poster, probe
from tests.integration.media.delivered import deliver, ff

pytestmark = pytest.mark.usefixtures("as_in_the_images")
TIER = geometry.tier(Resolution.DRAFT, half=False)
Make = Callable[..., Path]


def wanted(seconds: int = 1, fps: int = 24, **changes: Any) -> delivery.Delivery:
    clip = geometry.clip(seconds)
    made = delivery.Delivery(TIER.crop, clip if fps == 24 else clip.doubled(), 23, "ultrafast", "preview")
    return replace(made, **changes)


def streams(path: Path, entries: str) -> str:
    return subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "compact=p=0", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize(("seconds", "fps"), [(1, 24), (1, 48), (10, 24)])
async def test_exact(tmp_path: Path, fps: int, seconds: int) -> None:
    want = wanted(seconds, fps)
    path = deliver(tmp_path, want, TIER.generate)
    made = await check_delivered(path, size=want.size, clip=want.clip)
    assert (made.width, made.height, made.frames, made.fps) == (256, 144, fps * seconds, Fraction(fps))
    assert (made.seconds, made.video_seconds, made.audio_seconds) == (seconds, seconds, seconds)
    assert (made.codec, made.pix_fmt, made.sample_rate, made.channels) == ("h264", "yuv420p", 48000, 2)
    assert made.comment == "preview"
    assert files(tmp_path) == [path]


async def test_what_players_need(tmp_path: Path) -> None:
    path = deliver(tmp_path, wanted(preset="veryfast"), TIER.generate)
    said = streams(path, "stream=profile,color_space,color_primaries,color_transfer,color_range,codec_name")
    for words in ("profile=High", "color_space=bt709", "color_transfer=bt709", "color_primaries=bt709", "range=tv"):
        assert words in said
    body = path.read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")


@pytest.mark.parametrize(("short", "heard"), [(0.0, 1.0), (0.02, 0.98), (0.2, 0.8)])
async def test_sound_that_is_a_little_short_ends_in_silence(tmp_path: Path, short: float, heard: float) -> None:
    want = wanted()
    path = deliver(tmp_path, want, TIER.generate, seconds=1 - short)
    assert (await check_delivered(path, size=want.size, clip=want.clip)).audio_seconds == 1.0
    sound = np.frombuffer(ff("-i", path, "-f", "s16le", "-"), dtype=np.int16).reshape(-1, 2)
    assert np.abs(sound[: int(48000 * (heard - 0.05))]).max() > 1000
    if short:
        assert np.abs(sound[int(48000 * (heard + 0.05)) :]).max(initial=0) < 50


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"clip": replace(geometry.clip(1), deliver=20)}, "20 frames, 24 fps and (0.83"),
        ({"clip": geometry.clip(1).doubled()}, "48 frames, 48 fps"),
        ({"shrink": 2}, "128x72, 24 frames, 24 fps"),
        ({"seconds": 0.5}, "24 fps and (1.0, 1.0, 0.75) s (file, pictures, sound) instead of 256x144, 24, 24 and 1"),
    ],
)
async def test_another_video_than_was_wanted(tmp_path: Path, made: dict[str, Any], says: str) -> None:
    heard = made.pop("seconds", None)
    path = deliver(tmp_path, wanted(**made), TIER.generate, seconds=heard)
    with pytest.raises(FatalError, match="bad_output") as raised:
        await check_delivered(path, size=wanted().size, clip=wanted().clip)
    assert says in str(raised.value)


@pytest.mark.parametrize("shrink", [1, 2])
async def test_colours_and_the_crop_survive(tmp_path: Path, shrink: int) -> None:
    """The generated frame is red with 24 blue rows above and below: these must be gone, and red must stay red."""
    picture = "color=c=blue,format=gbrp,drawbox=y=24:h=144:w=iw:color=0xd02010:t=fill"
    path = deliver(tmp_path, wanted(crf=10, shrink=shrink), TIER.generate, picture=picture)
    ff("-i", path, "-frames:v", "1", tmp_path / "still.png")
    await poster(path, tmp_path / "p.jpg", at_seconds=0.5)
    for name in ("still.png", "p.jpg"):
        with Image.open(tmp_path / name) as image:
            assert image.size == (256 // shrink, 144 // shrink)
            found = np.asarray(image.convert("RGB"), dtype=int)
        assert np.abs(found - (0xD0, 0x20, 0x10)).max() <= 6, found[36, 64]


async def test_the_first_frames_are_kept_in_their_order(tmp_path: Path) -> None:
    picture = "color=c=black,format=gray,geq=lum='N*8'"
    path = deliver(tmp_path, wanted(crf=5), TIER.generate, picture=picture)
    raw = ff("-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-")
    luma = np.frombuffer(raw, dtype=np.uint8).reshape(24, 144, 256).mean(axis=(1, 2))
    assert (np.diff(luma) > 5).all()


async def test_a_poster_needs_a_frame(make_clip: Make) -> None:
    source = make_clip(frames=24)
    with pytest.raises(FatalError, match=r"bad_output.*no frame at 9 s"):
        await poster(source, source.with_name("p.jpg"), at_seconds=9)
    assert list(source.parent.iterdir()) == [source]


async def test_probe_of_a_webm(make_clip: Make) -> None:
    source = make_clip(frames=12, name="a:b.webm", codecs=("-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime"))
    found = await probe(source)
    assert (found.width, found.height, found.frames, found.codec) == (256, 192, 12, "vp8")
    assert found.seconds == found.video_seconds == pytest.approx(0.5, abs=0.01)
    assert not found.has_audio


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a video",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile clip.ts\nduration 1\n",
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    ],
    ids=["empty", "text", "playlist", "concat", "header only"],
)
async def test_a_users_file_that_is_no_video(make_clip: Make, tmp_path: Path, body: bytes) -> None:
    """Nor may it make ffmpeg open another file of this machine, which a playlist would."""
    make_clip(frames=24, name="clip.ts")
    (tmp_path / "theirs").write_bytes(body)
    with pytest.raises(UserError, match="input_not_media"):
        await probe(tmp_path / "theirs", blame="input_not_media")
    with pytest.raises(FatalError, match="bad_output"):
        await probe(tmp_path / "theirs")


async def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    ff("-f", "lavfi", "-t", "1", "-i", "sine", "-c:a", "aac", path)
    with pytest.raises(UserError, match="input_not_media"):
        await probe(path, blame="input_not_media")
