"""Service times of the local cloud: the estimates for one H100, scaled, with drafts standing for what is sold. Pure."""

from local.comfyui_preview.service.times import SIGMA, Cost, ServiceTimes, shape_name
from shared import durations, geometry, recipes
from shared.contracts.vocabulary import Quality, Resolution, Stage

STANDS_FOR = {1: (Resolution.HD, 10), 3: (Resolution.FULL_HD, 10), 5: (Resolution.FULL_HD, 20)}
"""Seconds of a draft -> resolution and seconds of the clip whose times it takes. A draft's frames cost nearly no CPU.
Odd ones only: a draft of 2 s has as many frames as one of 1 s after temporal upscaling."""


def estimated(scale: float, *, seed: int = 0, sigma: float = SIGMA) -> ServiceTimes:
    """Means from `shared.durations` (facts/ltx2.md section 6.2), times `scale`; text encoding and files left out."""
    costs: dict[str, Cost] = {}
    tier = geometry.TIERS[Resolution.DRAFT]
    for draft, (resolution, seconds) in STANDS_FOR.items():
        base = durations.parts(
            Stage.BASE_GEN, quality=Quality.FAST, resolution=resolution, duration=seconds, two_pass=True
        )
        refine = durations.parts(
            Stage.SPATIAL_UPSCALE, quality=Quality.FAST, resolution=resolution, duration=seconds, two_pass=True
        )
        clip = geometry.clip(draft)
        half, full = tier.half().generate, tier.generate
        step = base.sampling / (len(recipes.DISTILLED_SIGMAS) - 1)
        costs[shape_name(clip.generate, half.width, half.height)] = Cost(
            step=scale * step,
            decode=scale * base.decoding / 4,  # an early look
        )
        # a single pass at full size takes per step what a refine takes (facts/ltx2.md section 6.1)
        costs[shape_name(clip.generate, full.width, full.height)] = Cost(
            step=scale * refine.sampling / (len(recipes.REFINE_SIGMAS) - 1), decode=scale * refine.decoding
        )
        doubled = clip.doubled()
        costs[shape_name(doubled.generate, full.width, full.height)] = Cost(decode=scale * 2 * refine.decoding)
    return ServiceTimes(costs=costs, sigma=sigma, seed=seed)
