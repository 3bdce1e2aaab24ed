"""Service times of the local cloud: the estimates for one H100, scaled, with drafts standing for what is sold. Pure."""

from collections.abc import Iterator
from pathlib import Path

from local.comfyui_preview.service.served import Service
from local.comfyui_preview.service.stock import Stock
from local.comfyui_preview.service.times import SIGMA, Cost, ServiceTimes, shape_name
from shared import durations, geometry, recipes
from shared.contracts.stage import BaseGenParams, SpatialUpscaleParams, StageParams
from shared.contracts.vocabulary import Quality, Resolution, Stage

STANDS_FOR = {1: (Resolution.HD, 10), 3: (Resolution.FULL_HD, 10), 5: (Resolution.FULL_HD, 20)}
"""Seconds of a draft -> resolution and seconds of the clip whose times it takes. A draft's frames cost nearly no CPU.
Odd ones only: a draft of 2 s has as many frames as one of 1 s after temporal upscaling."""

FULL_SIZE = (10, 15)
"""Seconds of clips of the sold sizes, which may be asked for too, at their own cost in CPU. Not 20: so many frames has
one of 10 s after temporal upscaling."""

BASE_STEPS = len(recipes.DISTILLED_SIGMAS) - 1
REFINE_STEPS = len(recipes.REFINE_SIGMAS) - 1


def estimated(scale: float, *, seed: int = 0, sigma: float = SIGMA) -> ServiceTimes:
    """Means from `shared.durations` (facts/ltx2.md section 6.2), times `scale`; text encoding and files left out."""
    costs: dict[str, Cost] = {}
    for (resolution, seconds), like in _clips():
        half, full = (geometry.tier(resolution, half=half).generate for half in (True, False))
        clip = geometry.clip(seconds)
        base, refine = _parts(Stage.BASE_GEN, *like), _parts(Stage.SPATIAL_UPSCALE, *like)
        costs[shape_name(clip.generate, half.width, half.height)] = Cost(
            step=scale * base.sampling / BASE_STEPS,
            decode=scale * base.decoding / 4,  # an early look
        )
        # a single pass at full size takes per step what a refine takes (facts/ltx2.md section 6.1)
        costs[shape_name(clip.generate, full.width, full.height)] = Cost(
            step=scale * refine.sampling / REFINE_STEPS, decode=scale * refine.decoding
        )
        doubled = clip.doubled().generate
        costs[shape_name(doubled, full.width, full.height)] = Cost(decode=scale * 2 * refine.decoding)
    return ServiceTimes(costs=costs, sigma=sigma, seed=seed)


def slept(params: StageParams) -> float:
    """Mean seconds at scale 1 that the engine sleeps over one run of a stage, without an early look."""
    service = Service(estimated(1.0), 1.0, Stock(Path()))
    clip = geometry.clip(params.duration)
    full = geometry.tier(params.resolution, half=False).generate
    seconds = 0.0
    made = geometry.video_latent_shape(full, clip.generate)
    match params:
        case BaseGenParams():
            tier = geometry.tier(params.resolution, half=params.half_resolution).generate
            made = geometry.video_latent_shape(tier, clip.generate)
            recipe = recipes.base(params.quality, steps=params.steps, two_pass=params.half_resolution)
            guide = made[2] if params.control is not None else 0
            shape = (*made[:2], made[2] + guide, *made[3:])
            seconds += recipe.steps * service.step(shape, cfg=recipe.cfg, guide_frames=guide)
        case SpatialUpscaleParams():
            seconds += REFINE_STEPS * (params.upscale + params.detailer) * service.step(made)
        case _:
            made = geometry.video_latent_shape(full, clip.doubled().generate)
    return seconds + (service.decode(made) if params.ending == "video" else 0.0)


def _clips() -> Iterator[tuple[tuple[Resolution, int], tuple[Resolution, int]]]:
    """What may be asked for, and the sold clip whose times it takes."""
    yield from (((Resolution.DRAFT, draft), like) for draft, like in STANDS_FOR.items())
    for resolution in (Resolution.HD, Resolution.FULL_HD):
        yield from (((resolution, seconds),) * 2 for seconds in FULL_SIZE)


def _parts(stage: Stage, resolution: Resolution, seconds: int) -> durations.Parts:
    return durations.parts(stage, quality=Quality.FAST, resolution=resolution, duration=seconds, two_pass=True)
