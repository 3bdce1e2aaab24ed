"""How long a stage takes, and how long it may take. Pure.

Estimated seconds on one H100 (facts/ltx2.md section 6.2; estimates from FLOPs, nothing was measured): the quote
shows them, the deadline is built on them.
"""

from dataclasses import dataclass
from functools import partial

from shared.contracts.stage import BaseGenParams, SpatialUpscaleParams, StageParams
from shared.contracts.vocabulary import Quality, Resolution, Stage
from shared.recipes import DEFAULT_STEPS

_DURATIONS = (10, 15, 20)
_HD_TALLER = 1.14  # the table is for 1280x704; 1280x768 takes about 14 % more

_BASE_HALF = {  # first of two passes
    (Quality.FAST, Resolution.HD): (6, 9, 13),
    (Quality.PRO, Resolution.HD): (28, 44, 63),
    (Quality.FAST, Resolution.FULL_HD): (15, 26, 40),
    (Quality.PRO, Resolution.FULL_HD): (77, 132, 198),
}
_BASE_FULL = {  # single pass at full size, section 6.1
    (Quality.FAST, Resolution.HD): (37, 67, 106),
    (Quality.PRO, Resolution.HD): (185, 337, 531),
    (Quality.FAST, Resolution.FULL_HD): (119, 234, 383),
    (Quality.PRO, Resolution.FULL_HD): (596, 1169, 1916),
}
_REFINE = {Resolution.HD: (12, 22, 34), Resolution.FULL_HD: (45, 88, 144)}
_DECODE = {Resolution.HD: (8, 11, 15), Resolution.FULL_HD: (18, 26, 35)}
_CONTROL = 2.5
"""Guide tokens double those of the base at factor 1: 2.3 to 3 times the work (facts/ltx2.md section 4). The map
itself, Canny, Depth-Anything-3 or SDPose, is small beside that and not counted."""

_OVERHEAD = 4.0  # text encoding, file exchange, ffmpeg

START_SECONDS = 300
"""Cold start with 27 GB of weights from a network volume (facts/ltx2.md section 5.5), doubled."""

SLOWEST = 4
"""Slowest card that is planned for (A100, 2.2 times an H100), with a reserve of about two."""

LOOK_SECONDS = 30
"""Of an early look, besides its decode, on a busy machine."""

QUEUE_SECONDS = 3600
"""How long a stage run may wait for a worker before it is given up."""


@dataclass(frozen=True)
class Parts:
    """GPU seconds of one stage run."""

    sampling: float
    decoding: float
    """Tiled decode of the video; in the temporal stage also the upscaling before it."""
    rest: float = _OVERHEAD

    @property
    def total(self) -> float:
        return round(self.sampling + self.decoding + self.rest, 1)


def _of(row: tuple[int, ...], seconds: int) -> float:
    return float(row[_DURATIONS.index(seconds)])


def parts(
    stage: Stage,
    *,
    quality: Quality,
    resolution: Resolution,
    duration: int,
    two_pass: bool,
    steps: int | None = None,
    decodes: bool = True,
    control: bool = False,
    upscale: bool = True,
    detailer: bool = False,
) -> Parts:
    """Estimated seconds of one stage run on an H100, without a cold start. Drafts take about their own length.

    The detailer counts as one more refine, on dev: as many steps over as many tokens. Its overlapping tiles and its
    guide make it dearer, its short tiles cheaper; nobody has measured it.
    """
    if resolution is Resolution.DRAFT:
        return Parts(duration / 2, duration / 2, rest=0.0)
    decode = _of(_DECODE[resolution], duration)
    if stage is Stage.TEMPORAL_UPSCALE:
        return Parts(0.0, 2 * decode)
    if stage is Stage.SPATIAL_UPSCALE:
        work = _of(_REFINE[resolution], duration) * (upscale + detailer)
    else:
        table = _BASE_HALF if two_pass else _BASE_FULL
        work = _of(table[quality, resolution], duration)
        if quality is Quality.PRO:
            work *= (steps or DEFAULT_STEPS) / DEFAULT_STEPS
        if control:
            work *= _CONTROL
    if resolution is Resolution.HD and (two_pass or stage is Stage.SPATIAL_UPSCALE):
        work *= _HD_TALLER
    return Parts(work, decode if decodes else 0.0)


def of(params: StageParams) -> Parts:
    """`parts` of a planned or given stage run."""
    about = partial(parts, resolution=params.resolution, duration=params.duration, decodes=params.ending == "video")
    match params:
        case BaseGenParams():
            return about(
                Stage.BASE_GEN,
                quality=params.quality,
                two_pass=params.half_resolution,
                steps=params.steps,
                control=params.control is not None,
            )
        case SpatialUpscaleParams():
            return about(
                Stage.SPATIAL_UPSCALE,
                quality=params.quality,
                two_pass=params.upscale,
                upscale=params.upscale,
                detailer=params.detailer,
            )
        case _:
            return about(Stage.TEMPORAL_UPSCALE, quality=Quality.FAST, two_pass=False)


def early_look(params: StageParams) -> float:
    """Seconds that the early look of a base run may take: a decode, the transfers around it and ffmpeg.

    At half size a decode takes a quarter; a base of full size is decoded at full size and scaled down.
    """
    about = of(params.model_copy(update={"ending": "video"})).decoding
    return LOOK_SECONDS + SLOWEST * about / (4 if params.half_resolution else 1)


def deadline(estimated: float) -> int:
    """Seconds that a stage run may execute before it is stopped."""
    return int(START_SECONDS + SLOWEST * estimated)
