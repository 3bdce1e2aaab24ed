"""Records of loads as small files: `python -m tests.unit.scaling.compact measured.json > name.json`.

Of each generation: when it was asked for and final; of each of its runs: stage, worker, when it was queued, taken and
over, and what its plan gave. Times in hundredths of a second since the first. Without what was canceled, which keeps
a worker for no more than a moment where users cancel as soon as they have asked.
"""

import json
import sys
from pathlib import Path
from typing import Any

from scaling.records import Asked, Measured, StageRun
from shared.contracts.vocabulary import Stage

FOLDER = Path(__file__).with_name("measured")
TICK = 100


def packed(measured: Measured) -> dict[str, Any]:
    """ValueError: a run failed."""
    made = [asked for asked in measured.asked if asked.succeeded]
    if not all(run.succeeded for run in measured.runs):
        raise ValueError("a run failed")
    zero = min(asked.arrival for asked in made)

    def tick(time: float | None) -> int:
        return round(((time or zero) - zero) * TICK)

    of: dict[str, list[StageRun]] = {}
    for run in measured.runs:
        of.setdefault(run.generation, []).append(run)
    workers = sorted({run.worker for run in measured.runs})
    return {
        "speed": measured.speed,
        "workers": {stage.value: count for stage, count in measured.workers.items()},
        "names": workers,
        "generations": [
            [
                tick(asked.arrival),
                tick(asked.end),
                *(
                    [
                        list(Stage).index(run.stage),
                        workers.index(run.worker),
                        tick(run.arrival),
                        tick(run.start),
                        tick(run.end),
                        run.estimated,
                    ]
                    for run in of[asked.generation]
                ),
            ]
            for asked in made
        ],
    }


def unpacked(found: dict[str, Any]) -> Measured:
    stages = list(Stage)
    return Measured(
        speed=found["speed"],
        workers=found["workers"],
        asked=tuple(
            Asked(generation=str(number), arrival=first / TICK, end=last / TICK, succeeded=True)
            for number, (first, last, *_) in enumerate(found["generations"])
        ),
        runs=tuple(
            StageRun(
                generation=str(number),
                stage=stages[stage],
                worker=found["names"][worker],
                arrival=queued / TICK,
                start=taken / TICK,
                end=over / TICK,
                estimated=estimated,
            )
            for number, (_, _, *runs) in enumerate(found["generations"])
            for stage, worker, queued, taken, over, estimated in runs
        ),
    )


def read(name: str) -> Measured:
    return unpacked(json.loads((FOLDER / f"{name}.json").read_text()))


if __name__ == "__main__":
    given = Measured.model_validate_json(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(packed(given), separators=(",", ":")).replace("]],[", "]],\n[") + "\n")
