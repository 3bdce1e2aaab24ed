"""From the end of one stage to the start of the next one's handler.

The last part of it, from when RunPod hands the job out to the handler's first line, passes in the SDK's own loop.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from bench.rows import Row, percentile
from bench.videos import Turn

MUST_MEDIAN, MUST_P95 = 0.100, 0.250


def row(chains: Iterable[Sequence[Turn]]) -> Row:
    """Of the jobs of some generations, each in order."""
    hops = [hop for chain in chains for hop in pairwise(chain)]
    ours = [after.taken - before.replied for before, after in hops]
    whole = [after.begun - before.replied for before, after in hops]
    median, most = percentile(ours, 50), percentile(ours, 95)
    return Row(
        "hop: end of one stage to the next handler's start, besides the SDK's own, p50 / p95",
        f"under {MUST_MEDIAN * 1000:.0f} / {MUST_P95 * 1000:.0f} ms",
        f"{median * 1000:.0f} / {most * 1000:.0f} ms of {len(hops)} hops; with the SDK's own "
        f"{percentile(whole, 50) * 1000:.0f} / {percentile(whole, 95) * 1000:.0f} ms",
        median < MUST_MEDIAN and most < MUST_P95,
    )
