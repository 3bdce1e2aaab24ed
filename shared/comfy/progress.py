"""One monotonic fraction for a run, from sampler steps and finished nodes. Pure.

Only samplers report steps; loaders, text encoder, upsampler, decoder and savers are silent (facts/comfyui.md
section 5), so they count when they end. Weights are seconds: the recipe's where it
knows them, else rough ones of the class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.comfy.events import NodeProgress, Run
from shared.comfy.failures import is_model_loader, title_of

SAMPLER, DECODE, LOAD, ENCODE, SAVE, REST = 20.0, 8.0, 4.0, 1.0, 0.2, 0.02
UNFINISHED = 0.99  # a node or a run that has not ended never shows as whole


@dataclass(frozen=True, slots=True)
class Progress:
    """What a caller is told: `fraction` from 0 to 1, and the title, value and maximum of the current node."""

    fraction: float
    title: str | None
    value: float
    maximum: float


def weight_of(class_type: str) -> float:
    """Seconds of a node class: sampling dominates, then the decoder; plumbing counts next to nothing."""
    if class_type.endswith(("SamplerCustomAdvanced", "SamplerCustom", "KSampler")) or (
        class_type.startswith("LTX") and class_type.endswith("Sampler") and "Upsampler" not in class_type
    ):
        return SAMPLER
    if "Decode" in class_type:
        return DECODE
    if is_model_loader(class_type):
        return LOAD
    if "Encode" in class_type or "Upsampler" in class_type:
        return ENCODE
    return SAVE if "Save" in class_type else REST


class ProgressMeter:
    """Reads a `Run` as one fraction that never falls and is 1.0 only after success.

    Args:
        graph: the graph in API format.
        weights: title -> seconds, instead of those of the class.
        rounds: title -> how often a sampler counts from the start, e.g. the tiles of LTXVLoopingSampler.
    """

    def __init__(
        self,
        graph: Mapping[str, Any],
        *,
        weights: Mapping[str, float] | None = None,
        rounds: Mapping[str, int] | None = None,
    ) -> None:
        titles = {node_id: title_of(graph, node_id) for node_id in graph}
        named = weights or {}
        self._weights = {
            node_id: named.get(titles[node_id], weight_of(node["class_type"])) for node_id, node in graph.items()
        }
        self._rounds = {node_id: (rounds or {}).get(title, 1) for node_id, title in titles.items()}
        self._total = sum(self._weights.values()) or 1.0
        self._highest = 0.0

    def read(self, run: Run) -> Progress:
        """The progress of a run; later reads never show less than earlier ones."""
        if run.state == "succeeded":
            now = 1.0
        else:
            done = sum(self._weights[i] for i in run.cached if i in self._weights)
            started = {i: n for i, n in run.nodes.items() if i in self._weights and i not in run.cached}
            done += sum(self._weights[i] * self._share(i, node) for i, node in started.items())
            now = min(done / self._total, UNFINISHED)
        self._highest = max(self._highest, now)
        current = run.nodes.get(run.node or "", NodeProgress(0.0, 1.0))
        return Progress(self._highest, run.title, current.value, current.maximum)

    def _share(self, node_id: str, node: NodeProgress) -> float:
        if node.done:
            return 1.0
        one_round = node.value / node.maximum if node.maximum else 0.0
        return min((node.rounds + one_round) / self._rounds[node_id], UNFINISHED)
