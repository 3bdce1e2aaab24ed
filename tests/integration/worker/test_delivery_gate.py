"""What ComfyUI decoded -> what is delivered: only a video that is worth it."""

import subprocess
from pathlib import Path

import pytest

from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.worker import outputs

WORK = BaseGenInput(prompt="x", resolution=Resolution.DRAFT, duration=1, half_resolution=False)


def decoded(folder: Path, picture: str, sound: str) -> tuple[Path, Path]:
    """25 frames of 256x192 and a little more than a second of sound, as ComfyUI hands them over."""
    clip, flac = folder / "clip.webm", folder / "sound.flac"
    pictures = ["-f", "lavfi", "-i", f"{picture}:size=256x192:rate=24,trim=end_frame=25"]
    pictures += ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", str(clip)]
    tones = ["-f", "lavfi", "-t", "1.04", "-i", sound, str(flac)]
    for arguments in (pictures, tones):
        subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, timeout=30)
    return clip, flac


@pytest.mark.parametrize(
    ("picture", "sound", "said"),
    [
        ("color=c=black", "sine", "the video is black: 12 of 12 sampled frames"),
        ("color=c=white", "sine", "the video is white"),
        ("color=c=teal", "sine", "the video is frozen: no block changes by more than 0.0"),
        ("testsrc2=d=9", "anullsrc", "the video is silent"),
        ("testsrc2=d=9", "aevalsrc=-1|-1", "the video is garbled: the sound's mean level is -"),
        ("color=c=black", "anullsrc", "; silent: the sound's peak is 0.000000"),
    ],
)
async def test_what_is_not_worth_it_is_bad_output(tmp_path: Path, picture: str, sound: str, said: str) -> None:
    clip, flac = decoded(tmp_path, picture, sound)
    with pytest.raises(FatalError, match="bad_output") as caught:
        await outputs.deliver(WORK, clip, flac, tmp_path, "exec", comment="")
    assert said in str(caught.value)


async def test_a_good_one_says_how_long_its_sound_is(tmp_path: Path) -> None:
    clip, flac = decoded(tmp_path, "testsrc2=d=9", "sine")
    video, poster = await outputs.deliver(WORK, clip, flac, tmp_path, "exec", comment="preview")
    assert video.facts == {
        "width": 256,
        "height": 144,
        "frames": 24,
        "fps": 24,
        "seconds": 1.0,
        "audio_seconds": 1.0,
    }
    assert poster.facts == {"width": 256, "height": 144}
