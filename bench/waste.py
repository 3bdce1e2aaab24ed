"""GPU-seconds wasted when stage runs die: stages against one worker for all, by simulation (`scaling`), on no GPU.

Both get the same arrivals, service times and faults from one seed, and the orchestrator's own retry table.
"""

from bench.rows import Row
from scaling.answers import even, run, run_whole, steady
from scaling.scenario import Faults

MUST = 0.35
DIE = 0.1
"""Share of the stage runs, at a point anywhere within them."""
PER_HOUR = 1000


def measure() -> list[Row]:
    staged, whole = even(DIE)
    ratio = staged.wasted_seconds / whole.wasted_seconds
    mixed = steady(PER_HOUR).model_copy(update={"faults": Faults(rate=DIE)})
    in_the_mix = run(mixed).wasted_seconds / run_whole(mixed).wasted_seconds
    return [
        Row(
            f"GPU-seconds wasted under faults ({DIE:.0%} of stage runs die at a random point), by simulation",
            f"at most {MUST} of the one-worker design's",
            f"{ratio:.2f} of it at 20 + 45 + 18 s ({staged.wasted_seconds:.1f} s a video against "
            f"{whole.wasted_seconds:.1f}); {in_the_mix:.2f} in the mix assumed of production (docs/scaling.md)",
            ratio <= MUST,
        )
    ]
