"""Control clips are exact, whatever the user's video was: size, frames, rate, no sound, only padding around it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import geometry
from shared.contracts.vocabulary import Resolution
from shared.errors import TransientError
from shared.geometry import Size
from shared.media import fit_video, hold_image, probe

Make = Callable[..., Path]
DRAFT, PADDED = Size(256, 144), Size(256, 192)
WEBM = ("-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-pix_fmt", "yuv420p")


async def fit(source: Path, *, frames: int = 25, delivered: Size = DRAFT, generated: Size = PADDED) -> Path:
    target = source.with_name("control.mp4")
    await fit_video(source, target, delivered=delivered, generated=generated, frames=frames, fps=24, timeout=60)
    return target


def ff(*arguments: str | Path) -> bytes:
    """ffmpeg's stdout."""
    argv = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


async def luma(path: Path) -> np.ndarray:
    """[frames, rows, columns], 0..255."""
    info = await probe(path)
    raw = ff("-i", path, "-vf", "scale=out_range=pc,format=gray", "-f", "rawvideo", "-")
    return np.frombuffer(raw, np.uint8).reshape(info.frames, info.height, info.width).astype(int)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def require_exact(path: Path, *, size: tuple[int, int] = (256, 192), frames: int = 25) -> None:
    made = await probe(path)
    assert (made.width, made.height, made.frames, made.fps) == (*size, frames, Fraction(24))
    assert (made.codec, made.pix_fmt, made.has_audio) == ("h264", "yuv420p", False)


@pytest.mark.parametrize("rate", [12, 24, 25, 30, 60])
@pytest.mark.parametrize("seconds", [0.5, 1, 2])
async def test_any_rate_and_length_becomes_exact(make_clip: Make, rate: int, seconds: float) -> None:
    """The picture brightens with time, so every frame tells from when it is; a short one ends in its last frame."""
    source = make_clip(
        frames=int(rate * seconds),
        fps=rate,
        size="256x144",
        sound=seconds,
        picture="color=c=black",
        after=f"geq=lum='16+200*N/{2 * rate}':cb=128:cr=128",
    )
    path = await fit(source)
    await require_exact(path)
    seen = (await luma(path))[:, 96, 128] * 219 / 255 / 200 * 2  # seconds
    last = (int(rate * seconds) - 1) / rate
    wanted = np.minimum(np.arange(25) / 24, last)
    assert np.abs(seen - wanted).max() < 1 / rate + 0.03
    assert files(source.parent) == ["clip.mp4", "control.mp4"]


@pytest.mark.parametrize("resolution", list(Resolution))
@pytest.mark.parametrize("half", [False, True])
async def test_every_size_that_is_sampled(make_clip: Make, resolution: Resolution, half: bool) -> None:
    tier = geometry.tier(resolution, half=half)
    path = await fit(make_clip(frames=3, size="320x180"), frames=9, delivered=tier.deliver, generated=tier.generate)
    await require_exact(path, size=(tier.generate.width, tier.generate.height), frames=9)
    rows = tier.crop.y
    frame = (await luma(path))[4]
    assert np.abs(frame[:rows] - frame[2 * rows : rows : -1]).mean() < 3
    assert np.abs(frame[-rows:] - frame[-rows - 2 : -2 * rows - 2 : -1]).mean() < 3


@pytest.mark.parametrize(
    ("size", "after"),
    [
        ("144x256", "null"),  # vertical
        ("501x333", "null"),
        ("17x900", "null"),
        ("900x17", "null"),
        ("2x2", "null"),
        ("320x240", "setsar=4/3"),
        ("320x180", "setsar=1/90"),
        ("320x180", "setsar=90"),
    ],
)
async def test_odd_shapes(make_clip: Make, size: str, after: str) -> None:
    source = make_clip(frames=5, size=size, after=after, codecs=(*H264[:-1], "yuv444p"), picture="testsrc")
    await require_exact(await fit(source))


async def test_a_vertical_video_is_covered_by_its_middle(make_clip: Make) -> None:
    """Black but for a white band that is 16:9 in the middle: only the band is to be seen."""
    band = "drawbox=y=(ih-iw*9/16)/2:h=iw*9/16:w=iw:color=white:t=fill"
    path = await fit(make_clip(frames=5, size="288x512", picture="color=c=black", after=band, codecs=H264))
    middle = (await luma(path))[2][26:-26]
    assert middle.min() > 235


async def test_pixels_that_are_not_square_are_shown_as_they_are_meant(make_clip: Make) -> None:
    """480x480 with pixels 16:9 is a 16:9 video: nothing of it is cut away."""
    after = "drawbox=w=iw:h=ih:color=white:t=30,setsar=16/9"
    path = await fit(make_clip(frames=5, size="480x480", picture="color=c=black", after=after, codecs=H264))
    frame = (await luma(path))[2][24:-24]
    assert min(frame[4].mean(), frame[-5].mean(), frame[:, 6].mean(), frame[:, -7].mean()) > 200
    assert frame[72, 128] < 30


async def test_wide_pixels_make_a_wide_picture_of_which_the_middle_is_kept(make_clip: Make) -> None:
    """480x270 with pixels 2:1 is 32:9: the outer quarters, black here, are cut away."""
    after = "drawbox=x=iw/4:w=iw/2:h=ih:color=white:t=fill,setsar=2"
    path = await fit(make_clip(frames=5, size="480x270", picture="color=c=black", after=after, codecs=H264))
    assert (await luma(path))[2][24:-24, 4:-4].min() > 220


async def test_a_phone_that_was_held_upright(make_clip: Make, tmp_path: Path) -> None:
    """Stored lying, with a note to turn it: turned before it is cut."""
    lying = make_clip(frames=5, size="512x288", picture="color=c=black", after="drawbox=w=iw/2:h=ih:color=white:t=fill")
    turned = tmp_path / "turned.mp4"
    ff("-i", lying, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    frame = (await luma(await fit(turned)))[2]
    halves = (frame[24:90].mean(), frame[102:-24].mean())
    assert abs(halves[0] - halves[1]) > 200, halves


async def test_colours_stay(make_clip: Make, tmp_path: Path) -> None:
    path = await fit(make_clip(frames=5, size="256x144", picture="color=c=0xd02010", codecs=H264))
    still = tmp_path / "still.png"
    ff("-i", path, "-frames:v", "1", still)
    with Image.open(still) as image:
        assert np.abs(np.asarray(image.convert("RGB"), dtype=int) - (0xD0, 0x20, 0x10)).max() <= 6


async def test_a_still_is_held_over_all_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "image", "PNG")
    path = tmp_path / "control.mp4"
    await hold_image(
        tmp_path / "image", path, delivered=Size(128, 72), generated=Size(128, 96), frames=25, fps=24, timeout=60
    )
    await require_exact(path, size=(128, 96))
    frames = await luma(path)
    assert np.abs(frames - frames[0]).max() <= 6
    wanted = np.asarray(Image.fromarray(noise).resize((128, 72), Image.Resampling.LANCZOS).convert("L"), dtype=int)
    assert np.corrcoef(frames[0][12:-12].ravel(), wanted.ravel())[0, 1] > 0.99
    assert files(tmp_path) == ["control.mp4", "image"]


PEAK = """
import asyncio, resource, sys
from pathlib import Path
from shared.geometry import Size
from shared.media import fit_video
sizes = {"delivered": Size(1280, 720), "generated": Size(1280, 768)}
asyncio.run(fit_video(Path(sys.argv[1]), Path(sys.argv[1] + ".out"), **sizes, frames=481, fps=24, timeout=60))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_length(make_clip: Make) -> None:
    """Held frames are made one by one: all 481 of them would take 700 MB. Of a process of its own: peaks stay."""
    source = make_clip(frames=5, size="320x180")
    argv = [sys.executable, "-c", PEAK, str(source)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=90)
    assert int(done.stdout) < 350_000  # kB; x264's own frames and threads take about 190 MB


async def test_the_longest_clip_of_noise_still_fits_into_one_upload(make_clip: Make) -> None:
    """ComfyUI takes 100 MiB; measured on two seconds of what cannot be compressed."""
    noise = make_clip(frames=49, size="960x540", picture="nullsrc", after="geq=random(1)*255:128:128", codecs=H264)
    tier = geometry.tier(Resolution.FULL_HD, half=False)
    path = await fit(noise, frames=49, delivered=tier.deliver, generated=tier.generate)
    rate = path.stat().st_size / (49 / 24)
    assert rate * 481 / 24 < 100 * 2**20


def children() -> list[str]:
    """Names of the processes that this one has started and that still run."""
    pids = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]


async def test_it_ends_at_the_deadline_and_with_its_task(make_clip: Make) -> None:
    source = make_clip(frames=50, size="1280x720")
    target = source.with_name("control.mp4")
    tier = geometry.tier(Resolution.FULL_HD, half=False)

    async def endless(seconds: float) -> None:
        sizes = {"delivered": tier.deliver, "generated": tier.generate}
        await fit_video(source, target, **sizes, frames=4801, fps=24, timeout=seconds)

    with pytest.raises(TransientError, match="execution_timeout"):
        await endless(0.3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await endless(60)
    assert "ffmpeg" not in children()
    assert files(source.parent) == ["clip.mp4"]
