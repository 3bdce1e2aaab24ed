"""What a warm worker adds around ComfyUI: from the handler's first line to a graph that is accepted, and from ComfyUI's
end to the reply.

In: reading the input, the manifest's look-up, asking ComfyUI how it is, the graph and its check, the WebSocket; then
the end noticed, files taken over, latents checked and narrowed, two manifests, the answers to progress, and the URL.
Out, as work of its own: fetching inputs and handing them to ComfyUI, ffmpeg with the quality gate, the upload.
"""

from collections.abc import Iterable, Sequence

from bench.rows import Row, percentile
from bench.videos import Turn
from shared.contracts.vocabulary import Stage

MUST_BEFORE, MUST_AFTER = 0.050, 0.100
LAST = Stage.TEMPORAL_UPSCALE
"""Of all stages: its `deliver` is ffmpeg and the quality gate, that of the others the check of latents."""


def before(turn: Turn) -> float:
    """Seconds."""
    return turn.phases["accepted"] - turn.phases["fetch"]


def after(turn: Turn) -> float:
    """Seconds."""
    encoding = turn.phases["deliver"] if turn.stage is LAST else 0.0
    return turn.replied - turn.executed - turn.phases["upload"] - encoding


def rows(chains: Iterable[Sequence[Turn]]) -> list[Row]:
    """Of the jobs of some generations, each through all stages."""
    turns = [turn for chain in chains for turn in chain]
    fetched = [turn.phases["fetch"] for turn in turns if turn.stage is not Stage.BASE_GEN]
    encoded = [turn.phases["deliver"] for turn in turns if turn.stage is LAST]
    return [
        _row(
            "worker: handler's start to `/prompt` accepted, besides fetching inputs, p50 / p95",
            [before(turn) for turn in turns],
            f"under {MUST_BEFORE * 1000:.0f} ms",
            MUST_BEFORE,
            f"inputs {percentile(fetched, 50) * 1000:.0f} ms",
        ),
        _row(
            "worker: ComfyUI's end to the reply, besides upload and ffmpeg, p50 / p95",
            [after(turn) for turn in turns],
            f"under {MUST_AFTER * 1000:.0f} ms",
            MUST_AFTER,
            f"upload {percentile([turn.phases['upload'] for turn in turns], 50) * 1000:.0f} ms, "
            f"ffmpeg {percentile(encoded, 50) * 1000:.0f} ms",
        ),
    ]


def _row(what: str, seconds: list[float], must: str, limit: float, besides: str) -> Row:
    middle, most = percentile(seconds, 50), percentile(seconds, 95)
    found = f"{middle * 1000:.0f} / {most * 1000:.0f} ms of {len(seconds)} jobs; {besides}"
    return Row(what, must, found, middle < limit)
