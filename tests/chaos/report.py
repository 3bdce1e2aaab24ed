"""What happened, in numbers: markdown for the docs, a table for the terminal."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from tests.chaos.driver import Deed
from tests.chaos.evidence import Evidence
from tests.chaos.plan import GatewayFault, Kill, LinkFault, Plan
from tests.chaos.renders import wasted

BEGIN, END = "<!-- written by `make chaos`: begin -->", "<!-- written by `make chaos`: end -->"

T = TypeVar("T")
Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Report:
    plan: Plan
    evidence: Evidence
    deeds: list[Deed]
    broken: dict[str, list[str]]
    """Promise -> violations."""
    seconds: float
    statuses: Counter[int]
    unanswered: int
    restarts: dict[str, int]

    @property
    def violations(self) -> list[str]:
        return [f"{promise}: {line}" for promise, lines in self.broken.items() for line in lines]

    def rows(self) -> Rows:
        told, renders = self.evidence.told, self.evidence.renders
        states = Counter(str(one.shown.get("state", "never taken")) for one in told)
        outcomes = Counter(render.outcome for render in renders)
        keys = {render.stage_key for render in renders if render.outcome == "rendered"}
        seconds = sorted(one.seconds for one in told)
        codes = Counter(one.shown["error"]["code"] for one in told if one.shown.get("error"))
        return [
            ("seed", str(self.plan.seed)),
            ("generations", f"{len(told)}: {_counts(states)}"),
            ("errors of the failed", _counts(codes)),
            ("kill -9", f"{sum(self._kills().values())}: {_counts(self._kills())}"),
            ("faults on links", _counts(Counter(f"{d.link} {d.trouble}" for d in self._done(LinkFault)))),
            ("faults of the gateway", _counts(Counter(fault.kind.value for fault in self._done(GatewayFault)))),
            ("seconds of a generation", f"median {median(seconds):.1f}, longest {seconds[-1]:.1f}"),
            (
                "renders",
                f"{_counts(outcomes)}; at the same time as another of its key: {outcomes['rendered'] - len(keys)}",
            ),
            ("GPU-seconds", f"{sum(r.seconds for r in renders):.0f}, of them wasted {wasted(renders):.0f}"),
            ("webhooks", f"{len(self.evidence.arrivals)} tries, {sum(a.taken for a in self.evidence.arrivals)} taken"),
            ("unfinished uploads, left to the lifecycle rule", str(len(self.evidence.uploads))),
            ("answers of the API", f"{_counts(self.statuses)}, none at all: {self.unanswered}"),
            ("ends of processes", f"{sum(self.restarts.values())}, ours among them"),
            ("duration", f"{self.seconds:.0f} s"),
        ]

    def recoveries(self) -> Iterable[tuple[str, str, str, str]]:
        """Part, kills, seconds until it answers again, seconds until the affected generations go on."""
        by_part: dict[str, list[Deed]] = defaultdict(list)
        for deed in self.deeds:
            if isinstance(deed.act.what, Kill) and deed.done:
                by_part[deed.act.what.part].append(deed)
        for part, deeds in sorted(by_part.items()):
            yield (
                part,
                str(len(deeds)),
                _times([deed.back for deed in deeds if deed.back is not None]),
                _times([deed.on for deed in deeds if deed.on is not None]),
            )

    def markdown(self) -> str:
        lines = ["| what | how much |", "|---|---|", *(f"| {name} | {value} |" for name, value in self.rows()), ""]
        lines += [
            "| killed | times | answers again after (s) | affected generations go on after (s) |",
            "|---|---|---|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in self.recoveries()]
        lines += ["", "| promise | broken |", "|---|---|"]
        lines += [f"| {promise} | {len(found) or 'never'} |" for promise, found in self.broken.items()]
        return "\n".join([*lines, *([""] if self.violations else []), *(f"- {line}" for line in self.violations)])

    def show(self, console: Console) -> None:
        table = Table("what", "how much", show_lines=False)
        for name, value in self.rows():
            table.add_row(name, value)
        console.print(table)
        table = Table("killed", "times", "answers again after (s)", "affected generations go on after (s)")
        for row in self.recoveries():
            table.add_row(*row)
        console.print(table)
        table = Table("promise", "broken")
        for promise, found in self.broken.items():
            table.add_row(promise, str(len(found)) if found else "never")
        console.print(table)
        for line in self.violations:
            console.print(f"[red]{line}[/red]")

    def _kills(self) -> Counter[str]:
        return Counter(kill.part.value for kill in self._done(Kill))

    def _done(self, kind: type[T]) -> list[T]:
        return [deed.act.what for deed in self.deeds if deed.done and isinstance(deed.act.what, kind)]


def write_into(page: Path, report: Report) -> None:
    """Put the report between the two marks of a page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{report.markdown()}\n{END}{tail}", encoding="utf-8")


def _counts(found: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items())) or "none"


def _times(found: list[float]) -> str:
    return f"median {median(found):.1f}, longest {max(found):.1f}" if found else "-"
