"""The quality gate on real files, as they are delivered: encoded, with all that x264 and AAC do to them."""

import subprocess
from pathlib import Path

import pytest

from shared import geometry
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.media import Sample, deliver_video, sample
from shared.media.sample import PICTURES
from shared.worker.outputs import CRF, PRESET
from shared.worker.quality import faults

HELD = "trim=end_frame=1,loop=-1:1,setpts=N/24/TB"
TONE, SILENCE, HISS = "sine=frequency=440", "anullsrc", "anoisesrc=amplitude=0.01"


async def delivered(folder: Path, picture: str, sound: str = TONE, *, resolution: Resolution = Resolution.HD) -> Path:
    """One second, as a worker delivers it: through ComfyUI's own lossy file."""
    tier, clip = geometry.tier(resolution, half=False), geometry.clip(1)
    lavfi = picture.format(size=f"{tier.generate.width}x{tier.generate.height}:rate=24") + ",trim=end_frame=25"
    source, target = folder / "clip.mp4", folder / "video.mp4"
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", lavfi, "-f", "lavfi", "-t", "1.04", "-i", sound]
    argv += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([*argv, str(source)], check=True, timeout=60)  # noqa: ASYNC221  nothing else runs here
    await deliver_video(
        source,
        source,
        target,
        crop=tier.crop,
        frames=clip.deliver,
        fps=clip.fps,
        seconds=clip.seconds,
        crf=CRF[resolution],
        preset=PRESET[resolution],
    )
    return target


@pytest.mark.parametrize(
    ("picture", "sound", "said"),
    [
        ("color=c=black:size={size}", TONE, "black"),
        ("color=c=white:size={size}", TONE, "white"),
        ("testsrc2=size={size}," + HELD, TONE, "frozen"),
        ("mandelbrot=size={size}," + HELD, TONE, "frozen"),
        ("testsrc2=size={size}", SILENCE, "silent"),
    ],
)
async def test_bad_videos_are_found(tmp_path: Path, picture: str, sound: str, said: str) -> None:
    found = faults(await sample(await delivered(tmp_path, picture, sound)))
    assert [fault.partition(":")[0] for fault in found] == [said], found


@pytest.mark.parametrize(
    ("picture", "sound"),
    [
        ("testsrc2=size={size}", TONE),
        ("testsrc2=size={size}", HISS),
        # a static shot: an eye blinks, in two of 24 frames
        (
            "mandelbrot=size={size},"
            + HELD
            + ",drawbox=x=640:y=400:w=20:h=10:color=white@0.2:t=fill:enable='between(n,7,8)'",
            TONE,
        ),
        # night: black, and one star that twinkles
        ("color=c=black:size={size},drawbox=x=300:y=300:w=3:h=3:color=white:t=fill:enable='mod(n,3)'", TONE),
        ("nullsrc=size={size},geq=random(1)*255:128:128", TONE),
        ("testsrc2=size={size},fade=in:0:16", TONE),
    ],
    ids=["normal", "hiss", "blink", "night", "noise", "fade"],
)
async def test_good_videos_pass(tmp_path: Path, picture: str, sound: str) -> None:
    seen = await sample(await delivered(tmp_path, picture, sound))
    assert faults(seen) == [], seen


async def test_what_is_sampled(tmp_path: Path) -> None:
    seen = await sample(await delivered(tmp_path, "testsrc2=size={size}", resolution=Resolution.DRAFT))
    assert isinstance(seen, Sample)
    assert len(seen.brightest) == len(seen.darkest) == PICTURES
    assert seen.change > 0.1
    assert 0.05 < seen.loudness < seen.peak < 0.5


async def test_a_file_that_breaks_off_is_bad_output(tmp_path: Path) -> None:
    video = await delivered(tmp_path, "testsrc2=size={size}", resolution=Resolution.DRAFT)
    body = video.read_bytes()
    start = body.index(b"mdat") + 4
    video.write_bytes(body[:start] + bytes(len(body) - start))
    with pytest.raises(FatalError, match="bad_output"):
        await sample(video)
