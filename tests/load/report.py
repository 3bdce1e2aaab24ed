"""What a load showed: a table for the terminal, JSON for whoever reads on."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scaling.records import Measured
from tests.load.figures import Change, Figures, Spread


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

    @property
    def violations(self) -> list[str]:
        return [f"{promise}: {line}" for promise, lines in self.broken.items() for line in lines]

    def write(self, folder: Path) -> None:
        """report.json for people and their tools, measured.json for the simulation."""
        folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "scenario": self.scenario,
            "seed": self.seed,
            "scale": self.scale,
            "began": self.began.isoformat(),
            "figures": self.figures.model_dump(mode="json"),
            "utilisation": {stage: round(one.utilisation, 3) for stage, one in self.figures.stages.items()},
            "workers": [[at, dict(workers)] for at, workers in self.changes],
            "requests": self.requests,
            "broken": self.broken,
        }
        (folder / "report.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
        (folder / "measured.json").write_text(self.measured.model_dump_json(indent=1), encoding="utf-8")

    def show(self, console: Console) -> None:
        shown = self.figures
        title = f"{self.scenario}, seed {self.seed}, 1 s of a GPU slept as {self.scale:g} s"
        table = Table("what", "how much", title=title)
        for name, value in self._rows():
            table.add_row(name, value)
        console.print(table)
        table = Table("stage", "jobs", "queued p50 / p95 (s)", "ran p50 / p95 (s)", "workers busy", "workers")
        for stage, one in shown.stages.items():
            counts = " → ".join(str(workers[stage]) for _, workers in self.changes)
            name = f"{stage} (bottleneck)" if stage is shown.bottleneck else str(stage)
            queued, ran = (f"{spread.p50:.2f} / {spread.p95:.2f}" for spread in (one.queued, one.ran))
            table.add_row(name, str(one.ran.count), queued, ran, f"{one.utilisation:.0%}", counts)
        console.print(table)
        table = Table("promise", "broken")
        for promise, found in self.broken.items():
            table.add_row(promise, str(len(found)) if found else "never")
        console.print(table)
        for line in self.violations[:40]:
            console.print(line, style="red", markup=False)

    def _rows(self) -> list[tuple[str, str]]:
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


def _times(found: Spread) -> str:
    return f"p50 {found.p50:.2f}, p95 {found.p95:.2f}, p99 {found.p99:.2f} s"
