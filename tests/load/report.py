"""What a load showed, as tables; JSON for whoever reads on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scaling.checked import Checked, check
from scaling.records import Measured
from tests.load.figures import Change, Figures, Spread
from tests.load.memory import Look, growth
from tests.load.series import windows


@dataclass(frozen=True)
class Grid:
    """One table, for a terminal and for a page."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Report:
    scenario: str
    seed: int
    scale: float
    began: datetime
    figures: Figures
    measured: Measured
    changes: tuple[Change, ...]
    broken: dict[str, list[str]]
    """Promise -> violations."""
    requests: list[dict[str, Any]]
    """Locust's own figures, by name."""
    waits: tuple[float, ...] = ()
    """Seconds from asking to the video in the user's hands, of each that was made."""
    looks: tuple[Look, ...] = ()
    """Memory over time."""

    @property
    def title(self) -> str:
        return f"{self.scenario}, seed {self.seed}, 1 s of a GPU slept as {self.scale:g} s"

    @property
    def violations(self) -> list[str]:
        return [f"{promise}: {line}" for promise, lines in self.broken.items() for line in lines]

    def write(self, folder: Path) -> list[str]:
        """report.json for people and their tools, measured.json for the simulation; the names of the files."""
        folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "scenario": self.scenario,
            "seed": self.seed,
            "scale": self.scale,
            "began": self.began.isoformat(),
            "figures": self.figures.model_dump(mode="json"),
            "utilisation": {stage: round(one.utilisation, 3) for stage, one in self.figures.stages.items()},
            "workers": [[at, dict(workers)] for at, workers in self.changes],
            "memory": {name: one.model_dump() for name, one in growth(self.looks).items()},
            "tables": {grid.title: [grid.head, *grid.rows] for grid in self.grids()},
            "requests": self.requests,
            "broken": self.broken,
        }
        (folder / "report.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
        (folder / "measured.json").write_text(self.measured.model_dump_json(), encoding="utf-8")
        return ["report.json", "measured.json"]

    def show(self, console: Console) -> None:
        console.print(self.title)
        for grid in self.grids():
            table = Table(*grid.head, title=grid.title, title_justify="left")
            for row in grid.rows:
                table.add_row(*row)
            console.print(table)
        for line in self.violations[:40]:
            console.print(line, style="red", markup=False)

    def grids(self) -> Iterator[Grid]:
        """Tables without rows are left out."""
        kept = [(promise, str(len(found)) if found else "never") for promise, found in self.broken.items()]
        memory = [(name, f"{it.first:.0f}", f"{it.last:.0f}", f"{it.most:.0f}") for name, it in self._memory()]
        for grid in (
            Grid("the whole load", ("what", "how much"), tuple(self._whole())),
            Grid("stages", STAGES, tuple(self._stages())),
            Grid("while a stage had as many workers", WINDOWS, tuple(self._windows())),
            advice(self.measured),
            Grid("memory, MB: median of the first and of the last fifth", MEMORY, tuple(memory)),
            Grid("promises", ("promise", "broken"), tuple(kept)),
        ):
            if grid.rows:
                yield grid

    def _whole(self) -> list[tuple[str, str]]:
        shown = self.figures
        ended = f"{shown.succeeded} succeeded, {shown.failed} failed, {shown.canceled} canceled"
        return [
            ("generations", f"{shown.wishes}: {ended}"),
            ("throughput", f"{shown.per_minute:.1f} a minute over {shown.seconds:.0f} s"),
            ("end to end", _times(shown.end_to_end)),
            *((f"… of {owner}", _times(one)) for owner, one in shown.end_to_end_of.items()),
            ("accepted after", _times(shown.accepted)),
            ("asked late by", _times(shown.late)),
            ("answers of 429", str(shown.limited)),
            ("worker-seconds a video, as slept", f"{shown.worker_seconds_per_video:.2f}"),
            ("GPU-seconds a video, estimated for an H100", f"{shown.gpu_seconds_per_video:.1f}"),
        ]

    def _stages(self) -> Iterator[tuple[str, ...]]:
        for stage, one in self.figures.stages.items():
            counts = [workers[stage] for _, workers in self.changes]
            changed = counts[:1] + [now for before, now in pairwise(counts) if now != before]
            name = f"{stage} (bottleneck)" if stage is self.figures.bottleneck else str(stage)
            queued, ran = (f"{spread.p50:.2f} / {spread.p95:.2f}" for spread in (one.queued, one.ran))
            gpu = f"{self.figures.gpu_seconds_of[stage]:.1f}"
            shown = " → ".join(map(str, changed))
            yield name, str(one.ran.count), queued, ran, f"{one.utilisation:.0%}", shown, gpu

    def _windows(self) -> Iterator[tuple[str, ...]]:
        for it in windows(self.measured, self.changes):
            between = f"{it.start:.0f} to {it.end:.0f}"
            yield it.stage, str(it.workers), between, f"{it.per_minute:.1f}", f"{it.busy:.0%}"

    def _memory(self) -> list[tuple[str, Any]]:
        return list(growth(self.looks).items())


STAGES = (
    "stage",
    "jobs",
    "queued p50 / p95 (s)",
    "ran p50 / p95 (s)",
    "workers busy",
    "workers",
    "GPU-seconds a video",
)
WINDOWS = ("stage", "workers", "seconds", "runs ended a minute", "busy")
MEMORY = ("process", "first", "last", "most")
ADVICE = ("stage", "workers there were", "wait p95 (s)", "by formula", "advised for the same p95")


def advice(measured: Measured) -> Grid:
    """The autoscaling advisor beside what was there and what happened; as slept, not on a GPU's clock."""
    try:
        found = check(measured)
    except ValueError as error:
        return Grid("the advisor", ("says nothing",), ((str(error),),))
    return Grid("the advisor, beside what happened", ADVICE, tuple(_advised(found, measured)))


def _advised(found: Checked, measured: Measured) -> Iterator[tuple[str, ...]]:
    for foretold in found.foretold.stages:
        stage, seen = foretold.stage, found.queues[foretold.stage]
        waits = (f"{seconds / measured.speed:.1f}" for seconds in (seen.p95, foretold.wait_p95))
        yield stage, str(measured.workers[stage]), *waits, str(found.advised.workers[stage])
    way = (f"{seconds / measured.speed:.1f}" for seconds in (found.measured.p95, found.foretold.end_to_end_p95))
    there, advised = (sum(workers.values()) for workers in (measured.workers, found.advised.workers))
    yield "end to end", str(there), *way, str(advised)


def _times(found: Spread) -> str:
    return f"p50 {found.p50:.2f}, p95 {found.p95:.2f}, p99 {found.p99:.2f} s"
