"""Progress of a job: what nodes weigh, how often a sampler starts anew, and posts that keep away from the result.

The SDK posts each update from a thread of its own: posts that are sent shortly before `return` arrive after the
result (facts/runpod.md section 0). So: at most one a second, and a reply only when RunPod has answered them.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from math import ceil
from typing import Any

from shared import geometry
from shared.comfy import sections
from shared.comfy.graph import Graph
from shared.contracts.stage import StageProgress
from shared.durations import Parts

Report = Callable[[dict[str, Any]], None]
INTERVAL = 1.0  # seconds
TURNS = {"looking"}
"""Phases that are told at once: the manifest stands, and the next stage may begin."""
POSTING = "(_thread_target)"
"""How the SDK's threads, one for each post, end their names (runpod 1.12.0, `serverless/modules/rp_progress.py`)."""
SAMPLERS = {"SamplerCustomAdvanced", "LTXVLoopingSampler"}


def weights_of(graph: Graph, parts: Parts) -> dict[str, float]:
    """Title -> seconds of the nodes that take nearly all of a run's time."""
    samplers = [title for title, node in graph.nodes.items() if node.class_type in SAMPLERS]
    found = dict.fromkeys(samplers, parts.sampling / max(len(samplers), 1))
    if sections.SAVE_VIDEO in graph.nodes:
        found[sections.SAVE_VIDEO] = parts.decoding  # it encodes meanwhile
    return found


def rounds_of(graph: Graph, frames: int) -> dict[str, int]:
    """Title -> rounds, of every sampler that works in tiles over a clip of `frames`.

    LTXVLoopingSampler counts its steps anew for each (facts/comfyui.md section 5): in time they begin every `size -
    overlap` latent frames until the clip ends within one (its own source; graph i2 took two for 65 frames).
    """
    found = {}
    for title, node in graph.nodes.items():
        if node.class_type == "LTXVLoopingSampler":
            size, overlap = (
                node.inputs[name] // geometry.TEMPORAL_FACTOR for name in ("temporal_tile_size", "temporal_overlap")
            )
            in_time = ceil((geometry.latent_frames(frames) - overlap) / (size - overlap))
            found[title] = in_time * node.inputs["horizontal_tiles"] * node.inputs["vertical_tiles"]
    return found


class Throttle:
    """One per job."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = float("-inf")

    def __call__(self, progress: StageProgress) -> None:
        now = time.monotonic()
        if now - self._last >= INTERVAL or progress.phase in TURNS:
            self._last = now
            self._report(progress.model_dump(mode="json", exclude_none=True))

    async def settle(self) -> None:
        """Waits until RunPod has answered the posts under way, or a second: the GPU is paid for."""
        deadline = time.monotonic() + INTERVAL
        for post in [thread for thread in threading.enumerate() if thread.name.endswith(POSTING)]:
            await asyncio.to_thread(post.join, max(0.0, deadline - time.monotonic()))
