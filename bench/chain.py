"""What the pipeline adds to GPU time: one video after another through all stages, beside one worker that does it all.

The GPU's own seconds are those that the engines slept, as they count them; everything else is added: RunPod's queue,
the SDK, S3, ffmpeg, the orchestrator and the follower. A table says where it goes.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import alone, hop, videos, worker_spans
from bench.rows import Row, percentile
from bench.videos import Turn
from local.cloud import Cloud
from local.comfyui_preview.service.times import Cost, ServiceTimes, shape_name
from local.layout import Options
from local.service_times import BASE_STEPS, REFINE_STEPS
from scripts.places import markdown
from shared import geometry
from shared.contracts.vocabulary import Resolution, Stage

GPU_SECONDS = {Stage.BASE_GEN: 20.0, Stage.SPATIAL_UPSCALE: 45.0, Stage.TEMPORAL_UPSCALE: 18.0}
"""Of the stages, as issue 7 sets them."""
SCALE = 1 / 20
MUST = 0.02
"""Of the GPU's seconds, unscaled: nothing of what is added is scaled either."""
VIDEOS, ALONE_EVERY = 16, 3
ALONE = "one worker that does it all"
COLD = 1
"""Videos whose figures are left out: the first one warms every process up."""


def exact(gpu: dict[Stage, float], scale: float) -> ServiceTimes:
    """These seconds for a draft of 1 s through all three stages, without noise; half of the last one's to decode what
    the second one leaves, which has half as many frames.
    """
    half, full = (geometry.tier(Resolution.DRAFT, half=half).generate for half in (True, False))
    clip = geometry.clip(1)
    seconds = {stage: scale * given for stage, given in gpu.items()}
    decode = seconds[Stage.TEMPORAL_UPSCALE]
    costs = {
        shape_name(clip.generate, half.width, half.height): Cost(step=seconds[Stage.BASE_GEN] / BASE_STEPS),
        shape_name(clip.generate, full.width, full.height): Cost(
            step=seconds[Stage.SPATIAL_UPSCALE] / REFINE_STEPS, decode=decode / 2
        ),
        shape_name(clip.doubled().generate, full.width, full.height): Cost(decode=decode),
    }
    return ServiceTimes(costs=costs, sigma=0)


@dataclass(frozen=True)
class Chain:
    """One video."""

    made: videos.Made
    began: float
    """When the orchestrator had it."""
    turns: Sequence[Turn]

    @property
    def added(self) -> float:
        """Seconds from asking to being told, besides those of the GPU."""
        return self.made.seen - self.made.asked - sum(turn.slept for turn in self.turns)

    def parts(self) -> dict[str, list[float]]:
        """The same by who had it in hand, one value for each stage; their sum is `added`."""
        handed = [self.began, *(turn.advanced for turn in self.turns)]
        found = {
            "API: take the request": [self.began - self.made.asked],
            "orchestrator: submit": [turn.queued - since for since, turn in zip(handed, self.turns, strict=False)],
            "RunPod: hand the job out": [turn.taken - turn.queued for turn in self.turns],
            "SDK: from its take to the handler": [turn.begun - turn.taken for turn in self.turns],
            "worker: handler to the engine's start": [turn.executing - turn.begun for turn in self.turns],
            "engine: besides its sleep": [turn.executed - turn.executing - turn.slept for turn in self.turns],
            "worker: notice the end": [turn.noticed - turn.executed for turn in self.turns],
            "worker: ffmpeg and checks": [turn.phases["deliver"] for turn in self.turns],
            "worker: upload": [turn.phases["upload"] for turn in self.turns],
        }
        rest = [turn.replied - turn.noticed - turn.phases["deliver"] - turn.phases["upload"] for turn in self.turns]
        return found | {
            "worker: collect, manifest, reply": rest,
            "SDK: post the result": [turn.returned - turn.replied for turn in self.turns],
            "RunPod's webhook, poll, advance": [turn.advanced - turn.returned for turn in self.turns],
            "follower: told": [self.made.seen - handed[-1]],
        }


async def run(count: int = VIDEOS) -> tuple[list[Chain], list[float]]:
    """Chains, and the seconds that the one-worker design adds; in turns, on one cloud."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(state=Path(folder), port=0, service_times=exact(GPU_SECONDS, SCALE), gateway=alone.served())
        async with Cloud(options) as cloud:
            await alone.start(cloud)
            chains, others = [], []
            for number in range(count):
                asked = {**videos.DRAFT, **videos.ALL_STAGES, "prompt": f"chain {number}"}
                made = await videos.make(cloud, asked)
                turns = await asyncio.to_thread(videos.turns, cloud, made)
                chains.append(Chain(made, await asyncio.to_thread(videos.began, cloud, made), turns))
                if number % ALONE_EVERY == 0:
                    whole, slept = await alone.make(cloud, f"alone {number}", seed=number)
                    others.append(whole - slept)
    return chains[COLD:], others[COLD:]


async def measure() -> list[Row]:
    chains, others = await run()
    gpu = sum(GPU_SECONDS.values())
    added = [chain.added for chain in chains]
    middle, most = percentile(added, 50), percentile(added, 95)
    return [
        hop.row(chain.turns for chain in chains),
        *worker_spans.rows(chain.turns for chain in chains),
        Row(
            f"whole chain minus the GPU's own seconds (slept 1:{1 / SCALE:.0f}), from asking to `succeeded` seen",
            f"under {MUST:.0%} of {gpu:.0f} s, {MUST * gpu:.2f} s",
            f"p50 {middle / gpu:.2%} ({middle:.2f} s), p95 {most / gpu:.2%} ({most:.2f} s) of {len(added)} videos; "
            f"{ALONE} adds {median(others):.2f} s",
            middle < MUST * gpu,
            detail=_breakdown(chains, others),
        ),
    ]


def _breakdown(chains: Sequence[Chain], others: Sequence[float]) -> str:
    """Milliseconds: medians of each part and stage."""
    every = [chain.parts() for chain in chains]
    lines: list[Sequence[str]] = [("what the chain adds, in ms (medians)", *Stage, "together")]
    for name in every[0]:
        own = [1000 * median(values) for values in zip(*(parts[name] for parts in every), strict=True)]
        cells = [f"{value:.0f}" for value in own] if len(own) > 1 else [""] * len(Stage)
        lines.append((name, *cells, f"{sum(own):.0f}"))
    for name, seconds in (("all", median(chain.added for chain in chains)), (f"all, by {ALONE}", median(others))):
        lines.append((name, *[""] * len(Stage), f"{1000 * seconds:.0f}"))
    return markdown(*lines)
