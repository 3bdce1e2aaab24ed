"""What a decoded clip is cut and encoded into. Pure.

One node of the graph decodes and encodes (workers/comfy_nodes/mivo), so the graph has to say all of this.
"""

from dataclasses import dataclass

from shared import geometry
from shared.contracts.stage import BaseGenInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Resolution

CRF = {Resolution.HD: 18, Resolution.FULL_HD: 18, Resolution.DRAFT: 23}
"""x264's constant rate factor: 18 is the usual bound of visually lossless; drafts are only looked at."""
PRESET = {Resolution.HD: "veryfast", Resolution.FULL_HD: "veryfast", Resolution.DRAFT: "ultrafast"}
"""x264's speed: the GPU may wait for the encoder, so a few percent of size are given for seconds."""
LOOK_CRF, LOOK_PRESET = 26, "ultrafast"
"""Of the early look: it is seen once, small, and soon replaced."""
MADE_BY = "LTX-2"


@dataclass(frozen=True)
class Delivery:
    """One video file."""

    crop: geometry.Crop
    """Of the decoded frames; `shrink` times smaller each way it is the delivered size."""
    clip: geometry.Clip
    crf: int
    preset: str
    comment: str
    """In the file's metadata; the engine adds its own name."""
    shrink: int = 1

    @property
    def size(self) -> geometry.Size:
        return geometry.Size(self.crop.width // self.shrink, self.crop.height // self.shrink)


def of(work: StageInput) -> Delivery:
    """Of a stage run that ends in a video."""
    clip = geometry.clip(work.duration)
    return Delivery(
        crop=geometry.tier(work.resolution, half=work.half_resolution).crop,
        clip=clip.doubled() if isinstance(work, TemporalUpscaleInput) else clip,
        crf=CRF[work.resolution],
        preset=PRESET[work.resolution],
        comment=MADE_BY,
    )


def early_look(work: BaseGenInput) -> Delivery:
    """Half the size, whichever size the base has."""
    return Delivery(
        crop=geometry.tier(work.resolution, half=work.half_resolution).crop,
        clip=geometry.clip(work.duration),
        crf=LOOK_CRF,
        preset=LOOK_PRESET,
        comment=f"{MADE_BY}, early look",
        shrink=1 if work.half_resolution else 2,
    )
