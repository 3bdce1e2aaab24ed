import pytest

from scaling.records import Asked, Measured, StageRun
from shared.contracts.vocabulary import Stage
from tests.load import series
from tests.load.figures import Change

BASE, SPATIAL = Stage.BASE_GEN, Stage.SPATIAL_UPSCALE
ONE = dict.fromkeys(Stage, 1)
CHANGES: list[Change] = [(0.0, ONE), (10.0, {**ONE, BASE: 2}), (20.0, {**ONE, BASE: 2, SPATIAL: 3})]


def run(arrival: float, start: float, end: float, *, succeeded: bool = True) -> StageRun:
    return StageRun(
        generation="g", stage=BASE, arrival=arrival, start=start, end=end, estimated=1.0, succeeded=succeeded
    )


LOAD = Measured(
    speed=20,
    asked=(
        Asked(generation="g", arrival=0.0, end=12.0, succeeded=True),
        Asked(generation="h", arrival=1.0, end=30.0, succeeded=False),
        Asked(generation="i", arrival=25.0, end=40.0, succeeded=True),
    ),
    runs=(run(0, 0, 10), run(1, 10, 20), run(2, 10, 14, succeeded=False), run(25, 25, 40)),
)


def test_asked_and_made_are_counted_up_to_the_end() -> None:
    assert (series.asked(LOAD).times, series.asked(LOAD).values) == ((0.0, 1.0, 25.0, 40.0), (1.0, 2.0, 3.0, 3.0))
    assert (series.succeeded(LOAD).times, series.succeeded(LOAD).values) == ((0, 12, 40, 40), (0, 1, 2, 2))


@pytest.mark.parametrize(("at", "waits"), [(0, 0), (1, 1), (2, 2), (9.9, 2), (10, 0), (39, 0)])
def test_a_queue_holds_what_arrived_and_was_not_taken(at: float, waits: int) -> None:
    assert series.waiting(LOAD, BASE).at(at) == waits
    assert series.waiting(LOAD, SPATIAL).at(at) == 0


def test_busy_is_of_the_workers_that_there_were_then() -> None:
    busy = series.busy(LOAD, CHANGES, BASE)
    assert busy.at(5) == 1.0
    assert busy.at(12.5) == 1.0  # both
    assert busy.at(16.5) == 0.5  # one of two
    assert busy.at(22.5) == 0.0
    assert set(series.busy(LOAD, CHANGES, SPATIAL).values) == {0.0}


def test_a_window_ends_where_that_stage_changes_and_the_last_with_the_last_wish() -> None:
    found = series.windows(LOAD, CHANGES)
    assert [(it.stage, it.start, it.end, it.workers) for it in found] == [
        (BASE, 0.0, 10.0, 1),
        (BASE, 10.0, 25.0, 2),
        (SPATIAL, 0.0, 20.0, 1),
        (SPATIAL, 20.0, 25.0, 3),
    ]
    assert [it.per_minute for it in found] == [0.0, 8.0, 0.0, 0.0]  # at 10 and 20; the failed one is none
    assert [round(it.busy, 3) for it in found] == [1.0, 0.467, 0.0, 0.0]


def test_a_distribution_and_memory_by_kind() -> None:
    assert series.below([3.0, 1.0]) == ([1.0, 3.0], [0.5, 1.0])
    kinds = series.by_kind(
        [(0.0, {"s3": 5.0, "base_gen-0": 1.0}), (5.0, {"s3": 6.0, "base_gen-0": 2, "base_gen-12": 4})]
    )
    assert kinds["s3"].values == (5.0, 6.0)
    assert kinds["base_gen"].values == (1.0, 3.0)


def test_nothing_at_all_is_nothing() -> None:
    empty = Measured(runs=())
    assert series.windows(empty, CHANGES[:1]) == []
    assert series.asked(empty).values == (0.0, 0.0)
    assert series.busy(empty, CHANGES[:1], BASE).values[0] == 0
