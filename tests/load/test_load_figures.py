import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from scaling.records import Measured
from shared.contracts.vocabulary import Stage
from tests.load.evidence import Evidence, Run
from tests.load.example import T0, whole
from tests.load.figures import Change, figures, measured, spread, worker_seconds
from tests.load.page import write
from tests.load.report import Report

ONE = dict.fromkeys(Stage, 1)
CHANGES: list[Change] = [(0.0, ONE), (5.0, {**ONE, Stage.TEMPORAL_UPSCALE: 3})]


def run(stage: str, queued: float, started: float, ended: float, state: str = "COMPLETED") -> Run:
    first, second, last = (T0 + timedelta(seconds=seconds) for seconds in (queued, started, ended))
    return Run("g", stage, 1, "succeeded", None, False, 0.5, "j", state, first, second, last)


def load() -> Evidence:
    found = whole()
    found.runs = [
        run("base_gen", 0, 1, 3),
        run("temporal_upscale", 3, 3.5, 4, "FAILED"),
        run("temporal_upscale", 4, 6, 10),
    ]
    found.told[0] |= {"asked_at": 100.0, "taken_at": 100.5, "fetched_at": 111.0}
    return found


@pytest.mark.parametrize(
    ("values", "p50", "p95", "p99"), [([], 0, 0, 0), ([3], 3, 3, 3), (list(range(1, 101)), 50, 95, 99)]
)
def test_percentiles_are_by_nearest_rank(values: list[float], p50: float, p95: float, p99: float) -> None:
    found = spread(values)
    assert (found.p50, found.p95, found.p99) == (p50, p95, p99)


@pytest.mark.parametrize(("end", "seconds"), [(4.0, 4.0), (5.0, 5.0), (10.0, 20.0)])
def test_worker_seconds_follow_the_number_of_workers(end: float, seconds: float) -> None:
    assert worker_seconds(CHANGES, Stage.TEMPORAL_UPSCALE, end) == seconds


def test_figures_of_a_small_load() -> None:
    shown = figures(load(), CHANGES, began=T0, scale=0.05)
    base, temporal = shown.stages[Stage.BASE_GEN], shown.stages[Stage.TEMPORAL_UPSCALE]
    assert (base.queued.p50, base.ran.p50, temporal.queued.p50, temporal.ran.p50) == (1.0, 2.0, 2.0, 4.0)
    assert (base.utilisation, temporal.utilisation) == (0.2, 0.2)
    assert shown.stages[Stage.SPATIAL_UPSCALE].utilisation == 0
    assert (shown.seconds, shown.per_minute, shown.succeeded) == (10.0, 6.0, 1)
    assert (shown.end_to_end.p99, shown.accepted.p50) == (11.0, 0.5)
    assert (shown.worker_seconds_per_video, shown.gpu_seconds_per_video) == (6.0, 20.0)


def test_the_record_for_the_simulation_holds_every_run_and_only_constant_workers() -> None:
    record = measured(load(), CHANGES, began=T0, scale=0.05)
    assert record.speed == 20
    assert record.workers == {Stage.BASE_GEN: 1, Stage.SPATIAL_UPSCALE: 1}
    assert [(run.stage, run.queued, run.ran, run.estimated, run.succeeded) for run in record.runs] == [
        (Stage.BASE_GEN, 1.0, 2.0, 6.0, True),
        (Stage.TEMPORAL_UPSCALE, 0.5, 0.5, 16.0, False),
        (Stage.TEMPORAL_UPSCALE, 2.0, 4.0, 16.0, True),
    ]
    assert [(asked.arrival, asked.end, asked.succeeded) for asked in record.asked] == [(0.0, 3.0, True)]


def test_a_report_is_written_as_json_plots_and_a_page_of_its_own_and_shown(tmp_path: Path) -> None:
    shown = figures(load(), CHANGES, began=T0, scale=0.05)
    report = Report(
        scenario="steady",
        seed=7,
        scale=0.05,
        began=T0,
        figures=shown,
        measured=measured(load(), CHANGES, began=T0, scale=0.05),
        changes=tuple(CHANGES),
        broken={"nothing is lost": ["wish 3"], "no job is left": []},
        requests=[],
        waits=(11.0,),
        looks=tuple((float(at), {"gateway": 80.0}) for at in range(5)),
    )
    written = write(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    page = (tmp_path / "report.html").read_text()
    assert (page.count("<svg"), sum(name.endswith(".png") for name in written)) == (7, 7)
    assert not re.findall(r"(?:src|href)=\"(?!#)", page), "the page needs something else"
    assert set(re.findall(r"https?://[^\"\s<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert json.loads((tmp_path / "report.json").read_text())["utilisation"]["base_gen"] == 0.2
    assert Measured.model_validate_json((tmp_path / "measured.json").read_text()) == report.measured
    console = Console(record=True, width=120)
    report.show(console)
    text = console.export_text()
    assert "1 → 3" in text
    assert "nothing is lost: wish 3" in text
    assert report.violations == ["nothing is lost: wish 3"]
