"""The quality gate on figures: what is refused, and what must never be."""

from math import inf, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import FatalError
from shared.media import Sample
from shared.media.sample import COLUMNS as SMALL_COLUMNS
from shared.media.sample import ROWS as SMALL_ROWS
from shared.media.sample import figures
from shared.worker.quality import faults, require_good

ROWS, COLUMNS = 180, 320
SOUND = (0.1 * np.sin(np.arange(48_000) / 20)).astype(np.float32)
Frames = NDArray[np.uint8]


def scene(change: int = 60) -> Frames:
    """A landscape with a lamp in it that goes on and off: [12, rows, columns]."""
    ground = np.linspace(20, 200, ROWS)[:, None] * np.ones(COLUMNS)
    frames = np.repeat(ground[None], 12, axis=0)
    frames[::2, 80:90, 100:110] += change
    return frames.clip(0, 255).astype(np.uint8)


def filled(luma: int, count: int = 12) -> Frames:
    return np.full((count, ROWS, COLUMNS), luma, np.uint8)


def night() -> Frames:
    """Black but for one star of four pixels, which twinkles."""
    frames = filled(0)
    frames[:, 50:52, 60:62] = np.linspace(60, 255, 12)[:, None, None]
    return frames


def grain(amplitude: int) -> Frames:
    """One picture, and noise over it."""
    random = np.random.default_rng(7)
    noise = random.integers(-amplitude, amplitude, (12, ROWS, COLUMNS), endpoint=True)
    return (scene(0) + noise).clip(0, 255).astype(np.uint8)


def noise() -> Frames:
    return np.random.default_rng(7).integers(0, 256, (12, ROWS, COLUMNS)).astype(np.uint8)


def seen(frames: Frames, sound: NDArray[np.float32]) -> Sample:
    """As `sample` sees them, which has ffmpeg make the miniatures."""
    blocks = frames.reshape(len(frames), SMALL_ROWS, ROWS // SMALL_ROWS, SMALL_COLUMNS, COLUMNS // SMALL_COLUMNS)
    return figures(frames, blocks.mean(axis=(2, 4)).round().astype(np.uint8), sound.astype(np.float32))


def mostly(luma: int, count: int) -> Frames:
    frames = scene()
    frames[:count] = luma
    return frames


@pytest.mark.parametrize(
    ("frames", "sound", "said"),
    [
        (filled(0), SOUND, ["black: 12 of 12 sampled frames; the brightest luma is 0.000"]),
        (filled(8), SOUND, ["black"]),
        (mostly(0, 9), SOUND, ["black: 9 of 12"]),
        (filled(255), SOUND, ["white: 12 of 12 sampled frames; the darkest luma is 1.000"]),
        (mostly(255, 9), SOUND, ["white: 9 of 12"]),
        (scene(0), SOUND, ["frozen: no block changes by more than 0.00000 in luma"]),
        (filled(128), SOUND, ["frozen"]),
        (scene(), SOUND * 0, ["silent: the sound's peak is 0.000000 of full scale"]),
        (scene(), SOUND * 0.001, ["silent"]),
        (scene(), np.where(np.arange(48_000) == 7, nan, SOUND), ["not finite in its sound: peak nan, RMS nan"]),
        (scene(), np.where(np.arange(48_000) == 7, -inf, SOUND), ["not finite in its sound: peak inf"]),
        (scene(), SOUND - 0.6, ["garbled: the sound's mean level is -0.600 of full scale"]),
        (filled(0), SOUND * 0, ["black", "silent"]),
    ],
)
def test_what_nobody_wanted_is_named_with_its_figures(
    frames: Frames, sound: NDArray[np.float32], said: list[str]
) -> None:
    found = faults(seen(frames, sound))
    assert len(found) == len(said)
    assert all(text in fault for text, fault in zip(said, found, strict=True)), found
    with pytest.raises(FatalError, match=f"bad_output: the video is {said[0]}"):
        require_good(seen(frames, sound))


@pytest.mark.parametrize(
    ("frames", "sound"),
    [
        (scene(), SOUND),
        (scene(4), SOUND),  # a static shot in which a lamp flickers
        (night(), SOUND),
        (mostly(0, 8), SOUND),  # fades in slowly
        (mostly(255, 8), SOUND),
        (grain(120), SOUND),
        (noise(), SOUND),  # television without a programme: somebody may ask for it
        (scene(), SOUND * 0.01),  # -60 dB
        (scene(), np.sign(SOUND)),
        (scene(), np.where(np.arange(48_000) == 7, 1.5, 0)),  # one click, above full scale as AAC makes it
    ],
    ids=["normal", "calm", "night", "fade in", "flash", "grain", "noise", "quiet", "loud", "click"],
)
def test_what_somebody_may_have_wanted_passes(frames: Frames, sound: NDArray[np.float32]) -> None:
    assert faults(seen(frames, sound)) == []


def test_nothing_to_look_at_is_bad_output() -> None:
    with pytest.raises(FatalError, match=r"bad_output.*0 readable frames"):
        figures(scene()[:0], scene(), SOUND)
    with pytest.raises(FatalError, match="bad_output"):
        figures(scene(), scene()[:0], SOUND)
    with pytest.raises(FatalError, match=r"bad_output.*0 sound samples"):
        figures(scene(), scene(), SOUND[:0])


def test_one_frame_short_of_three_quarters_is_not_mostly() -> None:
    sample = Sample(darkest=(0.0,) * 4, brightest=(0.0, 0.0, 0.5, 0.5), change=0.5, peak=0.5, loudness=0.1, offset=0.0)
    assert faults(sample) == []
