"""The quality gate on real files, as they are delivered: encoded, with all that x264 and AAC do to them."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared import delivery, geometry
from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.media import Sample, sample
from shared.media.sample import PICTURES
from shared.worker.quality import faults
from tests.integration.media.delivered import TONE, deliver

HELD = "trim=end_frame=1,loop=-1:1,setpts=N/24/TB"
SILENCE, HISS = "anullsrc", "anoisesrc=amplitude=0.01"


def delivered(folder: Path, picture: str, sound: str = TONE, *, resolution: Resolution = Resolution.HD) -> Path:
    """One second, as a worker delivers it."""
    work = BaseGenInput(prompt="x", half_resolution=False)
    want = replace(delivery.of(work.model_copy(update={"resolution": resolution})), clip=geometry.clip(1))
    return deliver(folder, want, geometry.tier(resolution, half=False).generate, picture=picture, tone=sound)


@pytest.mark.parametrize(
    ("picture", "sound", "said"),
    [
        ("color=c=black", TONE, "black"),
        ("color=c=white", TONE, "white"),
        ("testsrc2," + HELD, TONE, "frozen"),
        ("mandelbrot," + HELD, TONE, "frozen"),
        ("testsrc2", SILENCE, "silent"),
    ],
)
async def test_bad_videos_are_found(tmp_path: Path, picture: str, sound: str, said: str) -> None:
    found = faults(await sample(delivered(tmp_path, picture, sound)))
    assert [fault.partition(":")[0] for fault in found] == [said], found


@pytest.mark.parametrize(
    ("picture", "sound"),
    [
        ("testsrc2", TONE),
        ("testsrc2", HISS),
        # a static shot: an eye blinks, in two of 24 frames
        (
            "mandelbrot," + HELD + ",drawbox=x=640:y=400:w=20:h=10:color=white@0.2:t=fill:enable='between(n,7,8)'",
            TONE,
        ),
        # night: black, and one star that twinkles
        ("color=c=black,drawbox=x=300:y=300:w=3:h=3:color=white:t=fill:enable='mod(n,3)'", TONE),
        ("nullsrc,geq=random(1)*255:128:128", TONE),
        ("testsrc2,fade=in:0:16", TONE),
    ],
    ids=["normal", "hiss", "blink", "night", "noise", "fade"],
)
async def test_good_videos_pass(tmp_path: Path, picture: str, sound: str) -> None:
    seen = await sample(delivered(tmp_path, picture, sound))
    assert faults(seen) == [], seen


async def test_what_is_sampled(tmp_path: Path) -> None:
    seen = await sample(delivered(tmp_path, "testsrc2", resolution=Resolution.DRAFT))
    assert isinstance(seen, Sample)
    assert len(seen.brightest) == len(seen.darkest) == PICTURES
    assert seen.change > 0.1
    assert 0.05 < seen.loudness < seen.peak < 0.5


async def test_a_file_that_breaks_off_is_bad_output(tmp_path: Path) -> None:
    video = delivered(tmp_path, "testsrc2", resolution=Resolution.DRAFT)
    body = video.read_bytes()
    start = body.index(b"mdat") + 4
    video.write_bytes(body[:start] + bytes(len(body) - start))
    with pytest.raises(FatalError, match="bad_output"):
        await sample(video)
