"""What people ask for, as shares, and what that asks of the stages. Pure."""

from itertools import product

from pydantic import Field

from orchestrator.plan import make_plan
from scaling.gpus import H100, RTX_4090, Gpu
from shared import durations
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Frozen, Quality, Resolution, Stage

GPUS = {Stage.BASE_GEN: H100, Stage.SPATIAL_UPSCALE: H100, Stage.TEMPORAL_UPSCALE: RTX_4090}
"""The card of each stage (deploy/endpoints.toml; the fastest of its pools)."""


class Kind(Frozen):
    """Generations that ask the same of the stages."""

    weight: float
    """Share of all generations; those of all kinds sum to 1."""
    seconds: dict[Stage, float]
    """Stage -> estimated GPU seconds of one run on the stage's card, in the order of the plan."""


class Mix(Frozen):
    """Shares of generations that choose a thing; each choice by itself. Assumed: nobody has asked Mivo's users yet."""

    pro: float = Field(default=0.25, ge=0, le=1)
    full_hd: float = Field(default=0.35, ge=0, le=1)
    fifteen: float = Field(default=0.25, ge=0, le=1)
    """Of 15 s; what is neither this nor `twenty` is of 10 s."""
    twenty: float = Field(default=0.15, ge=0, le=1)
    one_pass: float = Field(default=0.02, ge=0, le=1)
    """With `spatial_upscale` off: a whole pass at full size."""
    temporal_upscale: float = Field(default=0.3, ge=0, le=1)
    detailer: float = Field(default=0.1, ge=0, le=1)

    def kinds(self, gpus: dict[Stage, Gpu]) -> tuple[Kind, ...]:
        """All kinds of generations that occur, in the same order for all cards."""
        kinds: list[Kind] = []
        toggles = product(
            ((Quality.PRO, self.pro), (Quality.FAST, 1 - self.pro)),
            ((Resolution.FULL_HD, self.full_hd), (Resolution.HD, 1 - self.full_hd)),
            ((10, 1 - self.fifteen - self.twenty), (15, self.fifteen), (20, self.twenty)),
            ((False, self.one_pass), (True, 1 - self.one_pass)),
            ((True, self.temporal_upscale), (False, 1 - self.temporal_upscale)),
            ((True, self.detailer), (False, 1 - self.detailer)),
        )
        for (quality, p), (resolution, q), (duration, r), (spatial, s), (temporal, t), (detailer, u) in toggles:
            weight = p * q * r * s * t * u
            if weight > 0:
                asked = GenerationRequest(
                    prompt="a lighthouse",
                    quality=quality,
                    resolution=resolution,
                    duration=duration,
                    spatial_upscale=spatial,
                    temporal_upscale=temporal,
                    detailer=detailer,
                )
                kinds.append(Kind(weight=weight, seconds=seconds_of(asked, gpus)))
        return tuple(kinds)


def seconds_of(asked: GenerationRequest, gpus: dict[Stage, Gpu]) -> dict[Stage, float]:
    """Stage -> estimated seconds of its card, in the order of the plan, without a cold start."""
    plan = make_plan(asked, seed=0)
    return {step.stage: gpus[step.stage].seconds(durations.of(step.params)) for step in plan.stages}
