"""What ComfyUI decoded -> what is delivered: only a video that is worth it."""

from pathlib import Path

import pytest

from shared import delivery, geometry
from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.worker import outputs
from tests.integration.media.delivered import deliver

WORK = BaseGenInput(prompt="x", resolution=Resolution.DRAFT, duration=1, half_resolution=False)
TIER = geometry.tier(Resolution.DRAFT, half=False)


def made(folder: Path, picture: str, sound: str) -> Path:
    """What ComfyUI hands over."""
    return deliver(folder, delivery.of(WORK), TIER.generate, picture=picture, tone=sound)


@pytest.mark.parametrize(
    ("picture", "sound", "said"),
    [
        ("color=c=black", "sine", "the video is black: 12 of 12 sampled frames"),
        ("color=c=white", "sine", "the video is white"),
        ("color=c=teal", "sine", "the video is frozen: no block changes by more than 0.0"),
        ("testsrc2", "anullsrc", "the video is silent"),
        ("testsrc2", "aevalsrc=-1|-1", "the video is garbled: the sound's mean level is -"),
        ("color=c=black", "anullsrc", "; silent: the sound's peak is 0.000000"),
    ],
)
async def test_what_is_not_worth_it_is_bad_output(tmp_path: Path, picture: str, sound: str, said: str) -> None:
    video = made(tmp_path, picture, sound)
    with pytest.raises(FatalError, match="bad_output") as caught:
        await outputs.check_video(WORK, video, tmp_path, "exec")
    assert said in str(caught.value)


async def test_a_good_one_says_how_long_its_sound_is(tmp_path: Path) -> None:
    video, poster = await outputs.check_video(WORK, made(tmp_path, "testsrc2", "sine"), tmp_path, "exec")
    assert video.facts == {
        "width": 256,
        "height": 144,
        "frames": 24,
        "fps": 24,
        "seconds": 1.0,
        "audio_seconds": 1.0,
    }
    assert poster.facts == {"width": 256, "height": 144}
