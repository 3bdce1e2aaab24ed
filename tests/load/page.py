"""A report as files: JSON, a PNG of each plot, and one page of HTML that needs nothing but itself."""

import io
import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from tests.load.plots import drawn
from tests.load.report import Report

DOTS = 120
"""Of a PNG, an inch."""


def write(report: Report, folder: Path) -> list[str]:
    """The names of the files."""
    names = report.write(folder)
    plots = []
    for name, about, figure in drawn(report):
        figure.savefig(folder / f"{name}.png", dpi=DOTS)
        names.append(f"{name}.png")
        plots.append((name, about, _svg(figure)))
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    ).get_template("page.html.j2")
    text = page.render(report=report, machine=_machine(), cards=_cards(report), plots=plots, grids=list(report.grids()))
    (folder / "report.html").write_text(text, encoding="utf-8")
    return [*names, "report.html"]


def _svg(figure: Figure) -> str:
    """Without the head of a file of its own, which names a host."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return file.getvalue().partition("<svg")[1] + file.getvalue().partition("<svg")[2]


def _cards(report: Report) -> list[tuple[str, str]]:
    shown = report.figures
    return [
        (f"{shown.succeeded} of {shown.wishes}", "videos made"),
        (f"{shown.per_minute:.1f}", "a minute"),
        (f"{shown.end_to_end.p50:.1f} / {shown.end_to_end.p95:.1f} / {shown.end_to_end.p99:.1f} s", "p50 / p95 / p99"),
        (f"{shown.gpu_seconds_per_video:.1f}", "GPU-seconds a video"),
        (shown.bottleneck or "none", "bottleneck"),
    ]


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {memory:.0f} GB"
