"""What a video costs in GPU seconds and money, and how many workers a rate of videos needs.

`python -m scripts.costs` prints both tables; its options are the inputs. The seconds are those of the plan that a
request really gets (`shared/durations.py`, facts/ltx2.md section 6: estimates from FLOPs for an H100, not measured).
"""

import argparse
import math
import sys
from collections.abc import Iterator
from itertools import product

from orchestrator.plan import make_plan
from orchestrator.pricing import credits_for
from scaling.mix import GPUS
from scripts.places import markdown
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Frozen, Quality, Resolution, Stage, TextEncoder

TIERS = tuple(product(Quality, (Resolution.HD, Resolution.FULL_HD), (10, 15, 20)))
COSTS_HEAD = (
    "tier",
    "credits",
    "GPU s: base + refine",
    "two passes",
    "one pass",
    "48 fps adds",
    "a credit has to bring",
)
WORKERS_HEAD = ("base_gen", "spatial_upscale", "temporal_upscale, if all ask for it")


class Assumptions(Frozen):
    """What nobody but you knows. Prices in USD."""

    base_gen: float = GPUS[Stage.BASE_GEN].price
    """Of one GPU second (`scaling/gpus.py`). Look it up."""
    spatial_upscale: float = GPUS[Stage.SPATIAL_UPSCALE].price
    temporal_upscale: float = GPUS[Stage.TEMPORAL_UPSCALE].price
    slower: float = round(GPUS[Stage.TEMPORAL_UPSCALE].decoding, 2)
    """By which the card of the temporal stage decodes more slowly than an H100."""
    waste: float = 0.2
    """GPU seconds that nobody ordered, as a share of the others: cold starts, idle timeouts, attempts that failed."""
    credit: float = 0.01
    """What a credit brings in."""
    per_hour: float = 100
    """Videos that are asked for, in the busiest hour."""
    busy: float = 0.7
    """Share of the time that a worker may be busy; above about 0.8 queues grow long."""

    @property
    def prices(self) -> dict[Stage, float]:
        return {
            Stage.BASE_GEN: self.base_gen,
            Stage.SPATIAL_UPSCALE: self.spatial_upscale,
            Stage.TEMPORAL_UPSCALE: self.temporal_upscale,
        }


def request(quality: Quality, resolution: Resolution, duration: int, **toggles: bool) -> GenerationRequest:
    return GenerationRequest(
        prompt="a lighthouse",
        quality=quality,
        resolution=resolution,
        duration=duration,
        spatial_upscale=toggles.get("spatial_upscale", True),
        temporal_upscale=toggles.get("temporal_upscale", False),
    )


def gpu_seconds(asked: GenerationRequest, slower: float) -> dict[Stage, float]:
    """Stage -> seconds of its GPU, without a cold start."""
    plan = make_plan(asked, seed=0, text_encoder=TextEncoder.SINGLE)
    return {
        step.stage: step.estimated_seconds * (slower if step.stage is Stage.TEMPORAL_UPSCALE else 1)
        for step in plan.stages
    }


def cost(asked: GenerationRequest, given: Assumptions) -> float:
    """USD of one video: the sum over its stages of seconds x price, and the waste on top."""
    seconds = gpu_seconds(asked, given.slower)
    return sum(seconds[stage] * given.prices[stage] for stage in seconds) * (1 + given.waste)


def workers(seconds: float, given: Assumptions) -> int:
    """Little's law: busy workers = arrivals per second x seconds of each; each is busy for `busy` of the time."""
    return math.ceil(given.per_hour / 3600 * seconds / given.busy)


def cost_table(given: Assumptions) -> str:
    return markdown((*COSTS_HEAD, f"margin at {given.credit:g}"), *_cost_rows(given))


def _cost_rows(given: Assumptions) -> Iterator[tuple[str, ...]]:
    for quality, resolution, duration in TIERS:
        tier = (quality, resolution, duration)
        seconds = gpu_seconds(request(*tier), given.slower)
        two, one = cost(request(*tier), given), cost(request(*tier, spatial_upscale=False), given)
        smooth = cost(request(*tier, temporal_upscale=True), given)
        credits_asked = credits_for(*tier)
        yield (
            f"{quality} {resolution} {duration} s",
            str(credits_asked),
            f"{seconds[Stage.BASE_GEN]:.0f} + {seconds[Stage.SPATIAL_UPSCALE]:.0f}",
            f"{two:.3f}",
            f"{one:.3f}",
            f"{smooth - two:+.4f}",
            f"{two / credits_asked:.4f}",
            f"{1 - two / (credits_asked * given.credit):.0%}",
        )


def workers_table(given: Assumptions) -> str:
    return markdown((f"{given.per_hour:g} an hour of", *WORKERS_HEAD), *_workers_rows(given))


def _workers_rows(given: Assumptions) -> Iterator[tuple[str, ...]]:
    for quality, resolution, duration in TIERS:
        seconds = gpu_seconds(request(quality, resolution, duration, temporal_upscale=True), given.slower)
        yield f"{quality} {resolution} {duration} s", *(str(workers(seconds[stage], given)) for stage in Stage)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("costs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, field in Assumptions.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=field.default, help="default: %(default)s"
        )
    given = Assumptions.model_validate(vars(parser.parse_args(arguments)))
    print(f"USD of one video\n\n{cost_table(given)}\n\nWorkers\n\n{workers_table(given)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
