"""What a worker's process costs before its first job: its imports, beside those of RunPod's SDK alone."""

import subprocess
import sys
from statistics import median

from bench.rows import Row
from shared.contracts.vocabulary import Stage

MUST_SECONDS, MUST_MB = 1.0, 120.0
ROUNDS = 5
MEASURE = """
import time; began = time.perf_counter()
{imports}
import resource
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure() -> list[Row]:
    """Medians of fresh processes, taken in turns so that a busy moment hits all alike."""
    imports = {"sdk": "import runpod"} | {stage.value: f"import workers.{stage}.handler" for stage in Stage}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in imports}
    for _ in range(ROUNDS):
        for name, line in imports.items():
            seen[name].append(_once(line))
    seconds = {name: median(each[0] for each in found) for name, found in seen.items()}
    size = {name: median(each[1] for each in found) for name, found in seen.items()}
    slowest = max(Stage, key=lambda stage: seconds[stage])
    largest = max(size[stage] for stage in Stage)
    return [
        Row(
            "cold import of a worker process",
            f"under {MUST_SECONDS} s and {MUST_MB:.0f} MB",
            f"{seconds[slowest]:.2f} s and {largest:.0f} MB; {seconds[slowest] / seconds['sdk']:.2f} of a bare "
            f"`import runpod` ({seconds['sdk']:.2f} s)",
            seconds[slowest] < MUST_SECONDS and largest < MUST_MB,
        )
    ]


def _once(imports: str) -> tuple[float, float]:
    """(seconds, MB at the most)."""
    command = [sys.executable, "-c", MEASURE.format(imports=imports)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  our own words
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)
