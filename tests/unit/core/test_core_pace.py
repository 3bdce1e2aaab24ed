"""However many runs are under way, looks and submissions together stay within what RunPod answers."""

import pytest

from orchestrator.pace import LOOKS_PER_SECOND, Pace

RUN_PER_SECOND, STATUS_PER_SECOND = 1000 / 10, 2000 / 10
"""Of one endpoint: facts/runpod.md section A."""


@pytest.mark.parametrize(("live", "first"), [(0, 1.0), (100, 1.0), (200, 2.0), (2000, 20.0)])
def test_the_more_runs_the_rarer_the_looks(live: int, first: float) -> None:
    pace = Pace(quickest=1.0, slowest=15.0)
    pace.live = live
    assert pace.first == first


@pytest.mark.parametrize("live", [0, 50, 1000, 2000, 5000])
@pytest.mark.parametrize("age", [0.0, 30.0, 6000.0])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_no_run_is_looked_at_sooner_than_its_turn(live: int, age: float, fraction: float) -> None:
    pace = Pace(quickest=1.0, slowest=15.0)
    pace.live = live
    assert live / pace.after(age=age, done=fraction) <= LOOKS_PER_SECOND


def test_a_flood_into_one_endpoint_stays_within_its_limit() -> None:
    """A second at a time: as many new runs as the endpoint takes, and looks at each when it is due."""
    pace = Pace(quickest=1.0, slowest=15.0)
    due: list[float] = []
    looks: list[int] = []
    for second in range(30):
        pace.live = len(due)  # as counted before this second's
        now = [at for at in due if at <= second]
        looks.append(len(now))
        due = [at for at in due if at > second] + [second + pace.first] * (len(now) + round(RUN_PER_SECOND))
    windows = [sum(looks[start : start + 10]) for start in range(len(looks) - 9)]
    assert max(windows) <= STATUS_PER_SECOND * 10
