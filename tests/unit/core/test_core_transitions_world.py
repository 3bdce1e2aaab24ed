"""A generation that is driven through `step` by arbitrary events: late, repeated, out of order."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.transitions import (
    RETRIES,
    CancelAsked,
    Finished,
    GenerationState,
    RunState,
    Started,
    Submitted,
)
from shared.contracts.vocabulary import Stage
from tests.unit.core.world import MOST_RUNS, ORDERS, Row, World, failure, manifest

CODES = sorted(RETRIES)
MANIFESTS = {stage: manifest(stage) for stage in Stage}
TELLING = ["worker_lost", "artifact_missing", "out_of_memory", "contract_mismatch"]


class Generation(RuleBasedStateMachine):
    """Every event may strike every run, the newest most often."""

    world: World

    @initialize(order=st.sampled_from(ORDERS), outdated=st.booleans())
    def create(self, order: tuple[Stage, ...], outdated: bool) -> None:
        self.world = World(order, outdated=outdated)

    def _row(self, back: int) -> Row:
        return self.world.rows[max(0, len(self.world.rows) - 1 - back)]

    BACK = st.sampled_from([0, 0, 0, 0, 1, 2])

    @rule(back=BACK, number=st.integers(0, 1))
    def submitted(self, back: int, number: int) -> None:
        row = self._row(back)
        self.world.happens(row, Submitted(f"rp-{row.number}-{number}"))

    @rule(back=BACK)
    def started(self, back: int) -> None:
        self.world.happens(self._row(back), Started())

    @rule(back=BACK)
    def finished(self, back: int) -> None:
        row = self._row(back)
        self.world.happens(row, Finished(manifest(row.stage)))

    @rule(
        back=BACK,
        code=st.sampled_from(CODES) | st.sampled_from(TELLING),
        state=st.sampled_from([RunState.FAILED, RunState.LOST, RunState.TIMED_OUT]),
    )
    def failed(self, back: int, code: str, state: RunState) -> None:
        self.world.happens(self._row(back), failure(code, state))

    @rule()
    def finished_at_last(self) -> None:
        """Once more, and always the newest, so that later stages and their repairs are reached often."""
        self.finished(0)

    @rule(dice=st.integers(0, 5))
    def cancel(self, dice: int) -> None:
        if dice == 0:
            self.world.happens(self.world.newest, CancelAsked())

    @precondition(lambda self: self.world.state.final)
    @rule()
    def cancel_too_late(self) -> None:
        self.world.happens(self.world.newest, CancelAsked())

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        """However far it came: when nothing but trouble follows, it ends."""
        if hasattr(self, "world"):
            runs_out(self.world, ["worker_lost"] * (len(self.world.order) * (MOST_RUNS + 1)))


def runs_out(world: World, codes: list[str]) -> None:
    for code in codes:
        world.happens(world.newest, failure(code))
        world.check()
    assert world.state.final


TestGeneration = Generation.TestCase
TestGeneration.settings = settings(deadline=None, database=None, max_examples=60, stateful_step_count=30)

brisk = settings(deadline=None, database=None, max_examples=60)


@brisk
@given(st.sampled_from(ORDERS), st.data())
def test_a_generation_that_keeps_failing_ends(order: tuple[Stage, ...], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.sampled_from(CODES), min_size=40, max_size=40))
    world = World(order)
    runs_out(world, codes)
    assert world.state is GenerationState.FAILED


@brisk
@given(st.sampled_from(ORDERS), st.lists(st.sampled_from([*CODES, None, None]), min_size=60, max_size=60))
def test_a_generation_whose_runs_end_somehow_ends(order: tuple[Stage, ...], ends: list[str | None]) -> None:
    """None is a success. Repairs let stages that were done run again, and still it cannot go on for ever."""
    world = World(order)
    for code in ends:
        row = world.newest
        world.happens(row, failure(code) if code else Finished(manifest(row.stage)))
        world.check()
    assert world.state.final


def test_the_worst_generation_takes_as_many_runs_as_the_bound_allows() -> None:
    """Each stage fails as often as it may, loses its input once, and its successor loses its output once."""
    world = World(ORDERS[-1])
    script = [
        *("worker_lost", "worker_lost", None),  # base: 3 runs
        *("worker_lost", "worker_lost", "artifact_missing"),  # spatial: 3 runs, the last asks for a repair
        *(None, None),  # base: the 4th run; spatial: the 4th
        *("worker_lost", "worker_lost", "artifact_corrupt"),  # temporal: 3 runs, the last asks for a repair
        *(None, "worker_lost"),  # spatial: the 5th run; temporal: the 4th, and the last
    ]
    for code in script:
        row = world.newest
        world.happens(row, failure(code) if code else Finished(manifest(row.stage)))
        world.check()
    assert Counter(row.stage for row in world.rows) == {
        Stage.BASE_GEN: 4,
        Stage.SPATIAL_UPSCALE: MOST_RUNS,
        Stage.TEMPORAL_UPSCALE: 4,
    }
    assert world.state is GenerationState.FAILED


def test_a_clean_run_takes_one_run_a_stage() -> None:
    for order in ORDERS:
        world = World(order)
        for _ in order:
            row = world.newest
            for event in (Submitted("rp"), Started(), Finished(manifest(row.stage))):
                world.happens(row, event)
                world.check()
        assert world.state is GenerationState.SUCCEEDED
        assert [row.stage for row in world.rows] == list(order)


@pytest.mark.parametrize("order", ORDERS)
def test_every_sequence_of_five_ends_of_runs(order: tuple[Stage, ...]) -> None:
    """All of them, not a sample; None is a success. `World` checks each step."""
    ends = [None, "artifact_missing", "out_of_memory", "worker_lost", "contract_mismatch"]
    for script in product(ends, repeat=5):
        world = World(order, outdated=True)
        for code in script:
            row = world.newest
            world.happens(row, failure(code) if code else Finished(MANIFESTS[row.stage]))
            world.check()
            if world.state.final:
                break
