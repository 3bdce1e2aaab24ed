"""The short form: the same seed every time. `make chaos` prints its report, and ARGS make it a long one."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.driver import Deed
from tests.chaos.plan import Kill, Part, make_plan
from tests.chaos.run import SHORT, chaos

SERVICES = {Part.ORCHESTRATOR, Part.GATEWAY, Part.WORKER, Part.STORAGE, Part.POSTGRES}
"""What the supervisor brings back; a worker's children come back when they are needed, or with it."""


def kills(deeds: list[Deed]) -> set[Part]:
    return {deed.act.what.part for deed in deeds if deed.done and isinstance(deed.act.what, Kill)}


@pytest.mark.timeout(600)
async def test_whatever_is_killed_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = await chaos(make_plan(**SHORT), tmp_path, print)
    with capsys.disabled():
        report.show(Console())
    assert not report.violations
    assert kills(report.deeds) >= SERVICES
    assert all(deed.back is not None for deed in report.deeds if kills([deed]) & SERVICES), "a part stayed away"
