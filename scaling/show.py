"""Figures as tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from scaling.advisor import Advice
from scaling.replay import Comparison
from scaling.report import Figures


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*head, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def advice(it: Advice, per_hour: float) -> None:
    _table(
        f"{per_hour:g} generations an hour: p95 end to end {it.end_to_end_p95:.0f} s, {it.cost_per_hour:.2f} USD an "
        f"hour, {it.cost_per_hour / per_hour:.3f} a video, always on",
        ("stage", "workers", "busy", "waits at all", "p95 wait, s"),
        [
            (s.stage, str(s.workers), f"{s.busy / s.workers:.0%}", f"{s.wait_chance:.0%}", f"{s.wait_p95:.0f}")
            for s in it.stages
        ],
    )


def figures(title: str, it: Figures) -> None:
    way = it.end_to_end
    _table(
        f"{title}: {it.generations} generations, {it.failed} failed; {way.p50:.0f} / {way.p95:.0f} / {way.p99:.0f} s "
        f"end to end (p50 / p95 / p99); {it.cost:.3f} USD a video; GPU seconds a video: {it.gpu_seconds:.0f} worked, "
        f"{it.wasted_seconds:.1f} of them wasted, {it.paid_seconds:.0f} paid; bottleneck {it.bottleneck}",
        (
            "endpoint",
            "runs",
            "failed",
            "wait p50 / p95, s",
            "run p50 / p95, s",
            "busy",
            "workers (most)",
            "cold starts",
        ),
        [
            (
                fleet.name,
                str(fleet.runs),
                str(fleet.failures),
                f"{fleet.queued.p50:.0f} / {fleet.queued.p95:.0f}",
                f"{fleet.ran.p50:.0f} / {fleet.ran.p95:.0f}",
                f"{fleet.utilisation:.0%}",
                f"{fleet.workers:.1f} ({fleet.most_workers})",
                str(fleet.cold_starts),
            )
            for fleet in it.fleets
        ],
    )


def comparison(it: Comparison) -> None:
    exact = {"end to end, with each run's own seconds": it.exact} if it.exact else {}
    rows = {"end to end": it.whole} | exact | {f"wait for {stage}": each for stage, each in it.queues.items()}
    _table(
        f"end to end, p95 off by {it.whole.error:+.1%}",
        ("p50 / p95", "measured, s", "simulated, s", "p95 off by", "19 of 20 simulations"),
        [
            (
                name,
                *(f"{s.p50:.1f} / {s.p95:.1f}" for s in (each.measured, each.mean)),
                f"{each.error:+.1%}",
                "{:+.0%} to {:+.0%}".format(*each.range),
            )
            for name, each in rows.items()
        ],
    )
    Console().print_json(it.service.model_dump_json())
