"""The rows of one generation, kept as the store keeps them, with the `View` built from them as `advance` does."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.transitions import (
    MAX_ATTEMPTS,
    RETRIES,
    Announce,
    CancelRun,
    Event,
    Failed,
    GenerationState,
    RunState,
    StartRun,
    Submitted,
    View,
    step,
)
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import CapacityError, ErrorBody, family_of

ORDERS = [
    (Stage.BASE_GEN,),
    (Stage.BASE_GEN, Stage.SPATIAL_UPSCALE),
    (Stage.BASE_GEN, Stage.TEMPORAL_UPSCALE),
    (Stage.BASE_GEN, Stage.SPATIAL_UPSCALE, Stage.TEMPORAL_UPSCALE),
]
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
    outdated: bool = False
    """Planned under an older contract."""
    planned_anew: bool = False
    repaired: set[Stage] = field(default_factory=set)

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
            repair=row.repair,
            outdated=self.outdated,
            outgrown=frozenset(each.stage for each in self.rows if each.code in CapacityError.codes),
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
        self.state, row.state = found.generation, found.run
        for effect in found.effects:
            match effect:
                case StartRun():
                    self._starts(row, effect)
                case CancelRun(runpod_id):
                    self.stopped.append(runpod_id)
                case Announce():
                    self.announced.append(effect)

    def _starts(self, row: Row, effect: StartRun) -> None:
        assert 0 <= effect.wait <= 60
        assert effect.attempt == 1 + sum(each.stage is effect.stage for each in self.rows), "attempts count on"
        if effect.anew:
            assert self.outdated, "a plan of this contract is kept"
            self.outdated, self.planned_anew = False, True
        short = any(each.code in CapacityError.codes and each.stage is effect.stage for each in self.rows)
        assert effect.large == short, "what has outgrown a machine gets the large endpoint from then on"
        if row.state is not RunState.SUCCEEDED and not effect.anew:
            if effect.stage is row.stage:
                self._is_a_retry(row, effect)
            else:
                assert effect.repair
                assert effect.stage not in self.repaired, "what was lost is made again once"
                self.repaired.add(effect.stage)
        self.rows.append(Row(len(self.rows), effect.stage, effect.attempt, effect.repair))

    def _is_a_retry(self, row: Row, effect: StartRun) -> None:
        of_stage = [each for each in self.rows if each.stage is row.stage]
        assert len(of_stage) < MAX_ATTEMPTS
        assert row.code is not None
        assert sum(each.code == row.code for each in of_stage) <= RETRIES[row.code].retries
        assert effect.repair == row.repair, "a repair that failed is tried again as one"

    def check(self) -> None:
        live = [row for row in self.rows if not row.state.final]
        assert len(live) == (0 if self.state.final else 1), "one live run until the end, none after it"
        assert not live or live == [self.newest]
        refund = self.state is not GenerationState.SUCCEEDED
        assert self.announced == ([Announce(refund)] if self.state.final else [])
        most = MOST_RUNS + self.planned_anew
        assert all(count <= most for count in Counter(row.stage for row in self.rows).values())
        if self.state is GenerationState.SUCCEEDED:
            assert {row.stage for row in self.rows if row.state is RunState.SUCCEEDED} == set(self.order)
        if self.state is GenerationState.CANCELED:
            known = [row.runpod_id for row in self.rows if row.state is RunState.CANCELED and row.runpod_id]
            assert set(known) <= set(self.stopped), "a canceled run is stopped at RunPod"
        kept = {row.runpod_id for row in self.rows if row.runpod_id}
        assert self.taken - kept <= set(self.stopped), "what RunPod took and no row knows is stopped"
