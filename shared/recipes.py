"""Sampling constants of one quality and stage, as data. Sources: facts/ltx2.md section 2, facts/comfyui.md section 2.

A recipe is part of the `stage_key`: whoever changes a constant here makes new artifacts, never wrong old ones.
"""

from typing import Literal

from shared.contracts.vocabulary import ControlType, Frozen, Quality
from shared.controls import CONTROLS, ControlMap

DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)
"""8 steps; `DISTILLED` of the reference pipelines (facts/ltx2.md section 2.1)."""

REFINE_SIGMAS = (0.909375, 0.725, 0.421875, 0.0)
"""3 steps after the latent upsampler; `STAGE 2` of the reference pipelines."""

NEGATIVE_PROMPT = "blurry, low quality, still frame, frames, watermark, overlay, titles, has blurbox, has subtitles"
"""The constant negative prompt of LTXVideo's own workflows; only pro evaluates it (cfg 1 never does)."""

DETAIL_PROMPT = ""
"""The detailer's official workflow describes nothing (facts/comfyui.md section 2)."""

MIN_STEPS, DEFAULT_STEPS, MAX_STEPS = 20, 20, 40
"""Pro: 20 in LTXVideo's workflows, 40 in the reference pipeline (facts/ltx2.md section 2.2)."""


class Scheduler(Frozen):
    """LTXVScheduler; its shift depends on the tokens, so the latent is connected (facts/ltx2.md section 2.1)."""

    steps: int
    max_shift: float = 2.05
    base_shift: float = 0.95
    stretch: bool = True
    terminal: float = 0.1


class ImageConditioning(Frozen):
    """How hard the image is held (facts/ltx2.md section 2.3)."""

    compression: int | None
    """LTXVPreprocess: 33 makes a still look like a video frame, so that it moves; None leaves it as it is."""
    strength: float


class ControlGuide(Frozen):
    """An IC-LoRA and the map that it follows (facts/comfyui.md section 2, facts/ltx2.md section 4)."""

    map: ControlMap | None
    """None: the video is such a map already."""
    lora_strength: float = 1.0


class Decode(Frozen):
    """Tiles of the decoder; always tiled: a whole 1080p clip needs 78 GB (facts/ltx2.md section 3.3).

    64 frames with 24 of overlap are the reference's own default. 8 of overlap is one latent frame, blended over one
    frame: on the real VAE code that left a seam every 56 frames, with an error three times as large.
    """

    tile_size: int = 512
    overlap: int = 64
    temporal_size: int = 64
    temporal_overlap: int = 24


class BaseRecipe(Frozen):
    sampler: Literal["euler"] = "euler"
    sigmas: tuple[float, ...] | None
    scheduler: Scheduler | None
    cfg: float
    negative_prompt: str | None
    image: ImageConditioning
    camera_strength: float = 1.0
    control: ControlGuide | None = None
    decode: Decode = Decode()

    @property
    def steps(self) -> int:
        if self.scheduler:
            return self.scheduler.steps
        return len(self.sigmas or ()) - 1


class RefineRecipe(Frozen):
    sampler: Literal["euler"] = "euler"
    sigmas: tuple[float, ...] = REFINE_SIGMAS
    cfg: float = 1.0
    distilled_lora_strength: float | None
    """Pro refines with dev + distilled LoRA at 0.6, as LTXVideo's workflow does; fast is distilled already."""
    camera_strength: float | None = 1.0
    """LTXVideo chains the camera LoRA in both stages; None would leave it out of the refine."""
    image: ImageConditioning = ImageConditioning(compression=None, strength=1.0)

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1


class DetailRecipe(Frozen):
    """LTXVLoopingSampler over the dev checkpoint with the detailer IC-LoRA (LTXVideo's V2V detailer; graph i2).

    It samples tiles of 56 frames, each 24 over the one before, guided by the clip itself, without cfg. One tile
    holds the whole picture, as there: 28,560 tokens at 1920x1088 with the guide, fewer than the refine takes.
    """

    sampler: Literal["euler"] = "euler"
    sigmas: tuple[float, ...] = REFINE_SIGMAS
    cfg: float = 1.0
    prompt: str = DETAIL_PROMPT
    lora_strength: float = 1.0
    temporal_tile_size: int = 56
    """Frames, as is the overlap. A clip has to be longer than the overlap's 24/8 latent frames; all are."""
    temporal_overlap: int = 24
    guiding_strength: float = 1.0
    temporal_overlap_cond_strength: float = 0.5
    cond_image_strength: float = 1.0
    horizontal_tiles: int = 1
    vertical_tiles: int = 1
    spatial_overlap: int = 1
    adain_factor: float = 0.0
    """Optional by the server's catalogue, but its node fails without it (found on a real ComfyUI)."""

    @property
    def steps(self) -> int:
        """Of each tile."""
        return len(self.sigmas) - 1


class SpatialRecipe(Frozen):
    """What the spatial stage does: refine, add detail, or the one after the other."""

    refine: RefineRecipe | None
    detail: DetailRecipe | None
    decode: Decode = Decode()


class TemporalRecipe(Frozen):
    """Upsample in latent space and decode; no sampling (facts/ltx2.md section 3.2)."""

    decode: Decode = Decode()


Recipe = BaseRecipe | SpatialRecipe | TemporalRecipe


def base(
    quality: Quality,
    *,
    steps: int | None,
    two_pass: bool,
    control: ControlType | None = None,
    preprocessed: bool = False,
) -> BaseRecipe:
    """The recipe of base generation.

    The image is held at 0.6 where a refine follows that puts it back at 1.0 (LTXVideo's workflow; a full hold in
    both is the first cause of clips that stand still), and at 1.0 where nothing follows (Comfy's templates).
    Pro follows a control at cfg 3 instead of 4, as Comfy's canny and depth templates do (facts/ltx2.md section 2.2).
    """
    image = ImageConditioning(compression=33, strength=0.6 if two_pass else 1.0)
    guide = control and ControlGuide(map=None if preprocessed else CONTROLS[control].map)
    if quality is Quality.FAST:
        return BaseRecipe(
            sigmas=DISTILLED_SIGMAS, scheduler=None, cfg=1.0, negative_prompt=None, image=image, control=guide
        )
    return BaseRecipe(
        sigmas=None,
        scheduler=Scheduler(steps=steps or DEFAULT_STEPS),
        cfg=3.0 if guide else 4.0,
        negative_prompt=NEGATIVE_PROMPT,
        image=image,
        control=guide,
    )


def refine(quality: Quality) -> RefineRecipe:
    return RefineRecipe(distilled_lora_strength=0.6 if quality is Quality.PRO else None)


def spatial(quality: Quality, *, upscale: bool, detailer: bool) -> SpatialRecipe:
    """The recipe of the spatial stage; the detailer is the same for both qualities."""
    return SpatialRecipe(refine=refine(quality) if upscale else None, detail=DetailRecipe() if detailer else None)
