"""Is a finished video worth delivering? Pure: figures in, faults out.

Only what nobody can have wanted is a fault: a refund for a good video that is merely dark, calm or quiet would be
worse than a poor one now and then. So each threshold lies at what an eye or an ear cannot tell from nothing. Not
judged are taste, motion that stops half way, and noise in picture or sound: a television without a programme, or a
waterfall, looks and sounds like it.
"""

from math import isfinite

from shared.errors import FatalError
from shared.media import Sample

BLACK = 8 / 255
"""No pixel of the whole frame is brighter. A mean would fail a night scene, which has stars or a lamp somewhere;
black comes out of x264 as 0 (measured)."""
WHITE = 1 - BLACK
"""No pixel of the whole frame is darker."""
MOSTLY = 0.75
"""Share of the sampled frames. A fade or a flash may be wholly black or white; three quarters of a clip may not."""
FROZEN = 2 / 255
"""No block of the picture ever changes by more in luma, which no eye sees. A block is about the size of an eye, whose
blinking changes it by 10 and more, so the calmest static shot is above it. Identical frames come out of x264 at the
sold sizes with up to 2/255, rounding included, as it goes on refining them (measured); in drafts with up to 4, so that
a frozen draft may pass. Grain averages out within a block."""
SILENT = 2**-12
"""Peak, -72 dB of full scale: eight steps of 16-bit sound, which no volume of a player makes audible. That quiet clips
of the real model stay above it is owed to the first GPU run."""

GARBLED = 0.5
"""Mean level of full scale. Sound swings around zero; values that are no numbers all become the lowest level
(workers/comfy_nodes/mivo), where nobody can see any more what they were."""


def faults(sample: Sample) -> list[str]:
    """What is wrong, each with its figures; empty for a good video."""
    found = []
    frames = len(sample.brightest)
    black = sum(luma <= BLACK for luma in sample.brightest)
    white = sum(luma >= WHITE for luma in sample.darkest)
    if black >= MOSTLY * frames:
        found.append(f"black: {black} of {frames} sampled frames; the brightest luma is {max(sample.brightest):.3f}")
    elif white >= MOSTLY * frames:
        found.append(f"white: {white} of {frames} sampled frames; the darkest luma is {min(sample.darkest):.3f}")
    elif sample.change <= FROZEN:
        found.append(f"frozen: no block changes by more than {sample.change:.5f} in luma")
    if not (isfinite(sample.peak) and isfinite(sample.loudness)):
        found.append(f"not finite in its sound: peak {sample.peak}, RMS {sample.loudness}")
    elif abs(sample.offset) >= GARBLED:
        found.append(f"garbled: the sound's mean level is {sample.offset:.3f} of full scale")
    elif sample.peak <= SILENT:
        found.append(f"silent: the sound's peak is {sample.peak:.6f} of full scale")
    return found


def require_good(sample: Sample) -> None:
    """FatalError bad_output that names every fault."""
    found = faults(sample)
    if found:
        raise FatalError("bad_output", f"the video is {'; '.join(found)}")
