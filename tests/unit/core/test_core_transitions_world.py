"""A generation that is driven through `step` by arbitrary events: late, repeated, out of order.

The world keeps rows as the store does, and builds the `View` from them as `advance` does.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.transitions import (
    MAX_ATTEMPTS,
    RETRIES,
    Announce,
    CancelAsked,
    Canceled,
    CancelRun,
    Event,
    Failed,
    Finished,
    GenerationState,
    RunState,
    Started,
    StartRun,
    Submitted,
    View,
    step,
)
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody, family_of

ORDERS = [
    (Stage.BASE_GEN,),
    (Stage.BASE_GEN, Stage.SPATIAL_UPSCALE),
    (Stage.BASE_GEN, Stage.TEMPORAL_UPSCALE),
    (Stage.BASE_GEN, Stage.SPATIAL_UPSCALE, Stage.TEMPORAL_UPSCALE),
]
CODES = sorted(RETRIES)
MOST_RUNS = MAX_ATTEMPTS + 2
"""Of one stage: its attempts, one more because the stage after it asked for a repair, and one more because its own
repair made it start again."""

LATENT = Artifact(key="latents/x", sha256="a" * 64, bytes=1, media_type="x/y")


def manifest(stage: Stage) -> Manifest:
    return Manifest(
        stage=stage,
        stage_key="b" * 64,
        attempt_id="c" * 32,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        artifacts={"video_latent": LATENT},
        params={},
        recipe={},
        models={},
    )


def failure(code: str, state: RunState = RunState.FAILED) -> Failed:
    said = {"code": code, "message": "it broke", "retryable": family_of(code).retryable}
    return Failed(ErrorBody.model_validate(said), state)


@dataclass
class Row:
    number: int
    stage: Stage
    attempt: int
    repair: bool = False
    state: RunState = RunState.PENDING
    runpod_id: str | None = None
    code: str | None = None


@dataclass
class World:
    order: tuple[Stage, ...]
    state: GenerationState = GenerationState.QUEUED
    rows: list[Row] = field(default_factory=list)
    announced: list[Announce] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rows.append(Row(0, self.order[0], 1))

    @property
    def newest(self) -> Row:
        return self.rows[-1]

    def view(self, row: Row) -> View:
        index = self.order.index(row.stage)
        before = self.order[index - 1] if index else None
        return View(
            generation=self.state,
            order=self.order,
            stage=row.stage,
            run=row.state,
            runpod_id=row.runpod_id,
            attempts=dict(Counter(each.stage for each in self.rows)),
            codes=tuple(
                each.code
                for each in self.rows
                if each.stage is row.stage and each.number < row.number and each.code is not None
            ),
            repaired=any(each.repair and each.stage is before for each in self.rows),
        )

    def happens(self, row: Row, event: Event) -> None:
        was, run_was = self.state, row.state
        if isinstance(event, Submitted):
            self.taken.add(event.runpod_id)
        found = step(self.view(row), event)
        assert not was.final or found.generation is was, "a final generation stays"
        assert not run_was.final or found.run is run_was, "a final run stays"
        assert found.generation is not GenerationState.QUEUED or was is GenerationState.QUEUED
        assert (found.error is not None) == (found.generation is GenerationState.FAILED and not was.final)
        if not run_was.final:
            if isinstance(event, Submitted) and row.runpod_id is None:
                row.runpod_id = event.runpod_id
            if isinstance(event, Failed):
                row.code = event.error.code
            if isinstance(event, Canceled) and found.run is RunState.LOST:
                row.code = "worker_lost"
        self.state, row.state = found.generation, found.run
        for effect in found.effects:
            match effect:
                case StartRun(stage, attempt, wait, repair, _):
                    assert 0 <= wait <= 60
                    assert attempt == 1 + sum(each.stage is stage for each in self.rows), "attempts count on"
                    self.rows.append(Row(len(self.rows), stage, attempt, repair))
                case CancelRun(runpod_id):
                    self.stopped.append(runpod_id)
                case Announce():
                    self.announced.append(effect)

    def check(self) -> None:
        live = [row for row in self.rows if not row.state.final]
        assert len(live) == (0 if self.state.final else 1), "one live run until the end, none after it"
        assert not live or live == [self.newest]
        refund = self.state is not GenerationState.SUCCEEDED
        assert self.announced == ([Announce(refund)] if self.state.final else [])
        assert all(count <= MOST_RUNS for count in Counter(row.stage for row in self.rows).values())
        if self.state is GenerationState.SUCCEEDED:
            assert {row.stage for row in self.rows if row.state is RunState.SUCCEEDED} == set(self.order)
        if self.state is GenerationState.CANCELED:
            known = [row.runpod_id for row in self.rows if row.state is RunState.CANCELED and row.runpod_id]
            assert set(known) <= set(self.stopped), "a canceled run is stopped at RunPod"
        kept = {row.runpod_id for row in self.rows if row.runpod_id}
        assert self.taken - kept <= set(self.stopped), "what RunPod took and no row knows is stopped"


class Generation(RuleBasedStateMachine):
    """Every event may strike every run, the newest most often."""

    world: World

    @initialize(order=st.sampled_from(ORDERS))
    def create(self, order: tuple[Stage, ...]) -> None:
        self.world = World(order)

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
        code=st.sampled_from(CODES) | st.sampled_from(["worker_lost", "artifact_missing", "artifact_corrupt"]),
        state=st.sampled_from([RunState.FAILED, RunState.LOST, RunState.TIMED_OUT]),
    )
    def failed(self, back: int, code: str, state: RunState) -> None:
        self.world.happens(self._row(back), failure(code, state))

    @rule(back=BACK)
    def canceled_elsewhere(self, back: int) -> None:
        self.world.happens(self._row(back), Canceled())

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
            runs_out(self.world, ["worker_lost"] * (len(self.world.order) * MOST_RUNS))


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
