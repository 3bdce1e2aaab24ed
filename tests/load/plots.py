"""A report's figures as plots. matplotlib takes a second to import, so only what draws imports this."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from shared.contracts.vocabulary import Stage
from tests.load import series
from tests.load.report import Report
from tests.load.series import Steps

COLORS = {Stage.BASE_GEN: "#0072B2", Stage.SPATIAL_UPSCALE: "#D55E00", Stage.TEMPORAL_UPSCALE: "#009E73"}
"""Of Okabe and Ito's, which nobody's eyes confuse."""
INK, PALE = "#333333", "#999999"
STYLE: dict[RcKeyType, Any] = {
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, and the file small
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
WIDTH = 9.0
"""Inches."""


def drawn(report: Report) -> Iterator[tuple[str, str, Figure]]:
    """(name, what it shows, plot)."""
    plots: tuple[tuple[str, str, Callable[[Report], Figure]], ...] = (
        ("flow", "Asked for and made, and the workers that there were", _flow),
        ("queues", "Runs in the queue of each stage", _queues),
        ("busy", "Share of each stage's workers that had a job", _busy),
        ("way", "From asking to the video in the user's hands", _way),
        ("seconds", "Seconds in the queue and on a worker", _seconds),
        ("gpu", "GPU-seconds a video, estimated for an H100", _gpu),
        ("memory", "Memory of the processes, mean of each kind", _memory),
    )
    for name, about, draw in plots:
        if name == "memory" and not report.looks:
            continue
        with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
            yield name, about, draw(report)


def _figure(rows: int = 1, columns: int = 1, height: float = 3.0, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def _steps(axes: Axes, line: Steps, **options: Any) -> None:
    axes.step(line.times, line.values, where="post", **options)


def _flow(report: Report) -> Figure:
    figure, (flow, staff) = _figure(2, height=4.6, sharex=True, height_ratios=[2, 1])
    _steps(flow, series.asked(report.measured), color=PALE, label="asked for")
    _steps(flow, series.succeeded(report.measured), color=INK, label="made")
    flow.set_ylabel("generations so far")
    flow.legend(loc="upper left")
    end = series.length(report.measured)
    for shift, stage in enumerate(Stage):
        line = series.workers(report.changes, stage, end)
        # a little apart, so that equal numbers do not hide each other
        apart = Steps(line.times, tuple(value + 0.06 * (shift - 1) for value in line.values))
        _steps(staff, apart, color=COLORS[stage], label=stage.value)
    staff.set_ylim(bottom=0)
    staff.yaxis.set_major_locator(MaxNLocator(integer=True))
    staff.set_ylabel("workers")
    staff.set_xlabel("seconds since the start")
    staff.legend(ncols=3, loc="lower left")
    return figure


def _queues(report: Report) -> Figure:
    figure, panels = _figure(3, height=4.6, sharex=True, sharey=True)
    for axes, stage in zip(panels, Stage, strict=True):
        line = series.waiting(report.measured, stage)
        axes.fill_between(line.times, line.values, step="post", color=COLORS[stage], alpha=0.35, linewidth=0)
        _steps(axes, line, color=COLORS[stage], linewidth=1)
        axes.set_title(stage.value)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_ylim(bottom=0)  # now that all is drawn: they share one axis, and it no longer grows
    panels[1].set_ylabel("runs that wait")
    panels[-1].set_xlabel("seconds since the start")
    return figure


def _busy(report: Report) -> Figure:
    figure, panels = _figure(3, height=4.6, sharex=True, sharey=True)
    for axes, stage in zip(panels, Stage, strict=True):
        line = series.busy(report.measured, report.changes, stage)
        mean = report.figures.stages[stage].utilisation
        axes.fill_between(line.times, line.values, step="post", color=COLORS[stage], alpha=0.5, linewidth=0)
        axes.axhline(mean, color=INK, linewidth=1, linestyle="--")
        bottleneck = ", the bottleneck" if stage is report.figures.bottleneck else ""
        axes.set_title(f"{stage.value}: {mean:.0%} on the average{bottleneck}")
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    panels[-1].set_xlabel("seconds since the start")
    return figure


def _way(report: Report) -> Figure:
    figure, (axes,) = _figure(height=3.2)
    if report.waits:
        axes.step(*series.below(report.waits), where="post", color=INK)
        found = report.figures.end_to_end
        for name, value, share in (("p50", found.p50, 0.5), ("p95", found.p95, 0.95), ("p99", found.p99, 0.99)):
            axes.plot([value, value], [0, share], color=PALE, linewidth=1, linestyle="--")
            axes.annotate(f"{name} {value:.1f} s", (value, share), xytext=(5, -11), textcoords="offset points")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_ylabel("of the generations")
    axes.set_xlabel("seconds")
    return figure


def _seconds(report: Report) -> Figure:
    figure, panels = _figure(1, 2, height=2.8, sharey=True)
    runs = [run for run in report.measured.runs if run.succeeded]
    for axes, title, of in zip(panels, ("in the queue", "on a worker"), ("queued", "ran"), strict=True):
        values = [[getattr(run, of) for run in runs if run.stage is stage] for stage in Stage]
        boxes = axes.boxplot(
            values,
            orientation="horizontal",
            whis=(5, 95),
            widths=0.6,
            patch_artist=True,
            tick_labels=[stage.value for stage in Stage],
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": PALE},
            medianprops={"color": INK},
        )
        for box, stage in zip(boxes["boxes"], Stage, strict=True):
            box.set(facecolor=COLORS[stage], alpha=0.5)
        axes.set_title(f"{title}: box 25 to 75 %, whiskers 5 to 95 %")
        axes.set_xlabel("seconds")
        axes.set_xlim(left=0)
    panels[0].invert_yaxis()
    return figure


def _gpu(report: Report) -> Figure:
    figure, (axes,) = _figure(height=2.0)
    left = 0.0
    for stage, seconds in report.figures.gpu_seconds_of.items():
        axes.barh([""], [seconds], left=left, color=COLORS[stage], height=0.5, label=f"{stage.value} {seconds:.1f} s")
        left += seconds
    axes.set_xlim(0, 1.02 * left if left else 1)
    axes.set_title(f"{left:.1f} s in all")
    axes.set_xlabel("seconds")
    figure.legend(ncols=3, loc="outside lower center")
    axes.set_yticks([])
    return figure


def _memory(report: Report) -> Figure:
    figure, (axes,) = _figure(height=3.4)
    styles = ("-", "--", ":")
    for number, (kind, line) in enumerate(sorted(series.by_kind(report.looks).items())):
        axes.plot(line.times, line.values, label=kind, linestyle=styles[number // 10 % 3])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("MB")
    axes.set_xlabel("seconds since the start")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
