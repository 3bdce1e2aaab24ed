"""The short form: the same seed every time. `make load` prints its report, and ARGS make it a long one."""

from pathlib import Path

import pytest
from rich.console import Console

from shared.contracts.vocabulary import Stage
from tests.load.run import load
from tests.load.scenarios import SCENARIOS, wishes

SEED = 929
"""With every way through the stages, both qualities, both owners, an early look, and one who changes their mind."""
SECONDS = 24.0


@pytest.mark.timeout(600)
async def test_under_a_small_load_nothing_is_lost_and_nothing_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = wishes(SCENARIOS["short"], seed=SEED, seconds=SECONDS, per_minute=24)
    workers = dict.fromkeys(Stage, 1)
    report = await load("short", plan, tmp_path, workers=workers, seconds=SECONDS, scale=0.05, seed=SEED, say=print)
    with capsys.disabled():
        report.show(Console())
    assert not report.violations
    assert [counts[Stage.SPATIAL_UPSCALE] for _, counts in report.changes] == [1, 2, 1], "a stage scales while it runs"
    assert report.figures.succeeded == sum(not wish.cancel for wish in plan)
    assert {request["name"] for request in report.requests} >= {"create", "get", "events", "cancel", "video"}
    assert len(report.measured.asked) == len(plan)
    assert report.figures.bottleneck is not None
