from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.timeline import Passing, spans_of, sums_of

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else AT + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Run:
    """Times in seconds after the request, as far as it got."""

    created: float
    submitted: float | None = None
    started: float | None = None
    finished: float | None = None

    @property
    def created_at(self) -> datetime:
        return AT + timedelta(seconds=self.created)

    @property
    def submitted_at(self) -> datetime | None:
        return at(self.submitted)

    @property
    def started_at(self) -> datetime | None:
        return at(self.started)

    @property
    def finished_at(self) -> datetime | None:
        return at(self.finished)


def shown(runs: Sequence[Run], ends: float) -> list[tuple[str, int | None, float, float]]:
    spans = spans_of(AT, runs, AT + timedelta(seconds=ends))
    return [
        (span.passing, span.run, (span.begins - AT).total_seconds(), (span.ends - AT).total_seconds()) for span in spans
    ]


@pytest.mark.parametrize(
    ("runs", "ends", "spans"),
    [
        ([], 5, [("between", None, 0, 5)]),
        ([Run(0)], 4, [("waiting", 0, 0, 4)]),
        ([Run(0, 1)], 4, [("waiting", 0, 0, 1), ("queued", 0, 1, 4)]),
        ([Run(0, 1, 3)], 9, [("waiting", 0, 0, 1), ("queued", 0, 1, 3), ("running", 0, 3, 9)]),
        ([Run(0, None, None, 2)], 2, [("waiting", 0, 0, 2)]),  # its work was found done
        ([Run(0, 1, None, 2)], 2, [("waiting", 0, 0, 1), ("queued", 0, 1, 2)]),  # canceled in the queue
        (
            [Run(0, 1, 3, 10), Run(9.9, 14, 15, 20)],  # inserted by the transaction that ended the one before it
            20,
            [
                ("waiting", 0, 0, 1),
                ("queued", 0, 1, 3),
                ("running", 0, 3, 10),
                ("waiting", 1, 10, 14),
                ("queued", 1, 14, 15),
                ("running", 1, 15, 20),
            ],
        ),
        (
            [Run(1, 1, 1, 4), Run(6, 6, 6, 8)],
            9,
            [
                ("between", None, 0, 1),
                ("running", 0, 1, 4),
                ("between", None, 4, 6),
                ("running", 1, 6, 8),
                ("between", None, 8, 9),
            ],
        ),
    ],
)
def test_where_the_time_went(runs: list[Run], ends: float, spans: list[tuple[str, int | None, float, float]]) -> None:
    assert shown(runs, ends) == spans


seconds = st.floats(-5, 1000, allow_nan=False)
some_runs = st.lists(st.builds(Run, seconds, st.none() | seconds, st.none() | seconds, st.none() | seconds), max_size=9)
"""Also such as no database holds: the page has to stand whatever the rows say."""


@given(some_runs, st.floats(0, 1000))
def test_spans_cover_all_of_it_and_never_overlap(runs: list[Run], length: float) -> None:
    ends = AT + timedelta(seconds=length)
    spans = spans_of(AT, runs, ends)
    if ends == AT:
        assert spans == ()
        return
    assert (spans[0].begins, spans[-1].ends) == (AT, ends)
    assert all(one.ends == two.begins for one, two in pairwise(spans))
    assert all(span.begins < span.ends for span in spans)
    numbers = [span.run for span in spans if span.run is not None]
    assert numbers == sorted(numbers), "runs come one after the other"
    sums = sums_of(spans)
    assert abs(sums.between + sums.waiting + sums.queued + sums.running - length) < 0.01


@given(st.lists(st.tuples(*[st.floats(0, 500)] * 3), min_size=1, max_size=9))
def test_of_rows_as_they_are_each_time_is_where_it_belongs(steps: list[tuple[float, float, float]]) -> None:
    runs, reached = [], 0.0
    for waiting, queued, running in steps:
        runs.append(Run(reached, reached + waiting, reached + waiting + queued, reached + waiting + queued + running))
        reached += waiting + queued + running
    sums = sums_of(spans_of(AT, runs, AT + timedelta(seconds=reached)))
    for passing, index in ((Passing.WAITING, 0), (Passing.QUEUED, 1), (Passing.RUNNING, 2)):
        assert getattr(sums, passing) == pytest.approx(sum(step[index] for step in steps), abs=0.01)
    assert sums.between == pytest.approx(0, abs=0.001)
