"""Delivered videos are exact: size, frames, rate, seconds, sound; on 24 and 48 fps."""

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from shared.errors import FatalError, TransientError, UserError
from shared.geometry import Crop
from shared.media import MediaInfo, deliver_video, poster, probe

pytestmark = pytest.mark.usefixtures("as_in_the_images")
DRAFT = Crop(width=256, height=144, x=0, y=24)
Make = Callable[..., Path]


def streams(path: Path, entries: str) -> str:
    return subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "compact=p=0", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def ff(*arguments: str | Path) -> bytes:
    """ffmpeg's stdout."""
    argv = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


async def deliver(source: Path, seconds: int = 1, fps: int = 24, **changes: object) -> MediaInfo:
    wanted: dict[str, object] = {
        "crop": DRAFT,
        "frames": fps * seconds,
        "fps": fps,
        "seconds": seconds,
        "preset": "ultrafast",
        "timeout": 60,
    }
    return await deliver_video(source, source, source.with_name("delivered.mp4"), **{**wanted, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [1, 2, 10])
@pytest.mark.parametrize("fps", [24, 48])
async def test_exact(make_clip: Make, fps: int, seconds: int) -> None:
    base = 24 * seconds + 1
    frames = base if fps == 24 else 2 * base - 1
    source = make_clip(frames=frames, fps=fps, sound=seconds + 0.04)
    made = await deliver(source, seconds, fps, comment="preview")
    path = source.with_name("delivered.mp4")
    assert made == await probe(path)
    assert (made.width, made.height, made.frames, made.fps) == (256, 144, fps * seconds, Fraction(fps))
    assert (made.seconds, made.video_seconds, made.audio_seconds) == (seconds, seconds, seconds)
    assert (made.codec, made.pix_fmt, made.sample_rate, made.channels) == ("h264", "yuv420p", 48000, 2)
    assert made.comment == "preview"
    assert sorted(path.parent.iterdir()) == [source, path]


async def test_what_players_need(make_clip: Make) -> None:
    source = make_clip(frames=25, sound=1)
    await deliver(source, preset="veryfast")
    path = source.with_name("delivered.mp4")
    said = streams(path, "stream=profile,color_space,color_primaries,color_transfer,color_range,codec_name")
    for words in ("profile=High", "color_space=bt709", "color_transfer=bt709", "color_primaries=bt709", "range=tv"):
        assert words in said
    body = path.read_bytes()
    assert body.index(b"moov") < body.index(b"mdat")


@pytest.mark.parametrize(("short", "heard"), [(0.0, 1.0), (0.02, 0.98), (0.2, 0.8)])
async def test_sound_that_is_a_little_short_ends_in_silence(make_clip: Make, short: float, heard: float) -> None:
    source = make_clip(frames=25, sound=1 - short)
    made = await deliver(source)
    assert made.audio_seconds == 1.0
    raw = ff("-i", source.with_name("delivered.mp4"), "-f", "s16le", "-")
    sound = np.frombuffer(raw, dtype=np.int16).reshape(-1, 2)
    assert np.abs(sound[: int(48000 * (heard - 0.05))]).max() > 1000
    if short:
        assert np.abs(sound[int(48000 * (heard + 0.05)) :]).max(initial=0) < 50


@pytest.mark.parametrize(
    ("clip", "says"),
    [
        ({"frames": 20, "sound": 1}, "20 frames instead of at least 24"),
        ({"frames": 30, "fps": 30, "sound": 1}, "30 fps instead of 24"),
        ({"frames": 25, "sound": 1, "size": "256x144"}, "256x144 pixels instead of at least 256x168"),
        ({"frames": 25}, "no sound"),
        ({"frames": 25, "sound": 0.5}, "0.500 s of sound instead of 1"),
    ],
)
async def test_a_source_that_cannot_be_delivered(make_clip: Make, clip: dict[str, object], says: str) -> None:
    source = make_clip(**clip)
    with pytest.raises(FatalError, match="bad_output") as raised:
        await deliver(source)
    assert says in str(raised.value)
    assert list(source.parent.iterdir()) == [source]


async def test_all_faults_are_named_at_once(make_clip: Make) -> None:
    with pytest.raises(FatalError, match=r"20 frames.*no sound"):
        await deliver(make_clip(frames=20))


async def test_colours_and_the_crop_survive(make_clip: Make) -> None:
    """The generated frame is red with 24 blue rows above and below: these must be gone, and red must stay red."""
    source = make_clip(
        frames=25, sound=1, picture="color=c=blue", after="drawbox=y=24:h=144:w=iw:color=0xd02010:t=fill"
    )
    await deliver(source, crf=10)
    still = source.with_name("still.png")
    ff("-i", source.with_name("delivered.mp4"), "-frames:v", "1", still)
    await poster(source.with_name("delivered.mp4"), source.with_name("p.jpg"), at_seconds=0.5)
    for picture in (still, source.with_name("p.jpg")):
        with Image.open(picture) as image:
            assert image.size == (256, 144)
            found = np.asarray(image.convert("RGB"), dtype=int)
        assert np.abs(found - (0xD0, 0x20, 0x10)).max() <= 6, found[72, 128]


async def test_the_first_frames_are_kept_in_their_order(make_clip: Make) -> None:
    source = make_clip(frames=25, sound=1, picture="color=c=black", after="geq=lum='16+N*8':cb=128:cr=128")
    await deliver(source, crf=5)
    raw = ff("-i", source.with_name("delivered.mp4"), "-f", "rawvideo", "-pix_fmt", "gray", "-")
    luma = np.frombuffer(raw, dtype=np.uint8).reshape(24, 144, 256).mean(axis=(1, 2))
    assert (np.diff(luma) > 5).all()


async def test_a_graph_in_the_metadata_of_the_source_is_dropped(make_clip: Make, tmp_path: Path) -> None:
    source = make_clip(frames=25, sound=1)
    tagged = tmp_path / "tagged.mp4"
    tags = ("-metadata", "prompt=a secret wish", "-metadata", "comment=theirs")
    ff("-i", source, "-c", "copy", "-movflags", "use_metadata_tags", *tags, tagged)
    assert "secret" in streams(tagged, "format_tags")
    made = await deliver(tagged)
    assert made.comment is None
    assert b"secret" not in tagged.with_name("delivered.mp4").read_bytes()


def children() -> list[str]:
    """Names of the processes that this one has started and that still run."""
    names = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread or a process that has just ended
            names += [Path(f"/proc/{pid}/comm").read_text().strip() for pid in path.read_text().split()]
    return names


async def test_it_is_killed_at_the_deadline(make_clip: Make) -> None:
    source = make_clip(frames=241, sound=10, size="1280x768")
    with pytest.raises(TransientError, match="execution_timeout"):
        await deliver(source, 10, timeout=0.05, preset="placebo")
    assert not {"ffmpeg", "ffprobe"} & set(children())
    assert list(source.parent.iterdir()) == [source]


async def test_it_is_killed_with_the_task_that_wanted_it(make_clip: Make) -> None:
    source = make_clip(frames=241, sound=10, size="1280x768")
    task = asyncio.create_task(deliver(source, 10, preset="placebo"))

    async def encoding() -> bool:
        return "ffmpeg" in children()

    started = retry_if_result(lambda seen: not seen)
    await AsyncRetrying(stop=stop_after_delay(20), wait=wait_fixed(0.02), retry=started)(encoding)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not {"ffmpeg", "ffprobe"} & set(children())
    assert list(source.parent.iterdir()) == [source]


async def test_frames_must_fit_the_seconds(make_clip: Make) -> None:
    with pytest.raises(ValueError, match="23 frames at 24 fps are not 1 s"):
        await deliver(make_clip(frames=25, sound=1), frames=23)


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
