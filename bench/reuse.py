"""A second generation that differs only in a later stage: GPU-seconds that the stages which both share take again.

By the engines' own count of what they slept, in the workers' logs, not by what any part says of reuse.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from bench import videos
from bench.chain import GPU_SECONDS, exact
from bench.rows import Row
from local.cloud import Cloud
from local.layout import Options
from shared.contracts.vocabulary import Stage

SCALE = 1 / 40
FIRST = {"spatial_upscale": True, "temporal_upscale": False, "detailer": False, "seed": 11}
TWO = {Stage.BASE_GEN, Stage.SPATIAL_UPSCALE}
CHANGES: dict[str, tuple[dict[str, Any], set[Stage]]] = {
    "temporal upscaling on": ({"temporal_upscale": True}, TWO),
    "nothing": ({}, TWO),
    "the detailer on": ({"detailer": True}, {Stage.BASE_GEN}),
}
"""What differs -> how, and the stages that both have."""


async def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with Cloud(Options(state=Path(folder), port=0, service_times=exact(GPU_SECONDS, SCALE))) as cloud:
            return [await _row(cloud, name, *how) for name, how in CHANGES.items()]


async def _row(cloud: Cloud, name: str, change: dict[str, Any], shared: set[Stage]) -> Row:
    asked = {**videos.DRAFT, **FIRST, "prompt": f"reuse: {name}"}
    one = await _slept(cloud, asked)
    await videos.make(cloud, asked | {"prompt": f"between: {name}"})  # now no engine has the first in its own cache
    two = await _slept(cloud, asked | change)
    again = sum(two[stage] for stage in shared) / SCALE
    return Row(
        f"second generation that differs only in a later stage ({name}): GPU-seconds of the shared stages",
        "0 s",
        f"{again:.0f} s (by stage {_told(one)}, then {_told(two)} s)",
        again == 0.0,
    )


async def _slept(cloud: Cloud, asked: dict[str, Any]) -> dict[Stage, float]:
    """Seconds that each stage's engine slept for one generation."""
    before = await asyncio.to_thread(_counts, cloud)
    await videos.make(cloud, asked)
    after = await asyncio.to_thread(_counts, cloud)
    return {stage: after[stage] - before[stage] for stage in Stage}


def _counts(cloud: Cloud) -> dict[Stage, float]:
    logs = {stage: cloud.supervisor.log_of(cloud.worker_name(stage, 0)) for stage in Stage}
    return {stage: sum(seconds for _, seconds in videos.slept(log)) for stage, log in logs.items()}


def _told(seconds: dict[Stage, float]) -> str:
    return " + ".join(f"{own / SCALE:.0f}" for own in seconds.values())
