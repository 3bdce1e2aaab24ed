"""(state, event) -> (state, effects): retries, repair, deadlines and cancel, all of it here. Pure.

A generation has one live stage run at a time. Every event about that run comes with a `View` of the rows as they
stand under the lock; the answer is a `Step`: the new states and what to do next. Whoever calls this writes the
states and defers the effects in one transaction, so a crash between two steps loses nothing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from shared.contracts.artifact import Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import CapacityError, ErrorBody, UpstreamError, family_of


class GenerationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self in {self.SUCCEEDED, self.FAILED, self.CANCELED}


class RunState(StrEnum):
    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self not in {self.PENDING, self.SUBMITTED, self.RUNNING}


@dataclass(frozen=True)
class Rule:
    """How often a code is tried again, and the first and longest wait in seconds (doubling, with jitter)."""

    retries: int
    wait: float = 0.0
    longest: float = 60.0


JITTER = 0.5
"""By which share a wait may be longer than its rule says, by chance."""

MAX_ATTEMPTS = 3
"""Attempts of one stage, whatever the codes were."""

_NEVER = Rule(retries=0)
RETRIES: dict[str, Rule] = {
    # yours to fix
    "invalid_input": _NEVER,
    "input_unreachable": _NEVER,
    "input_too_large": _NEVER,
    "input_not_media": _NEVER,
    "idempotency_conflict": _NEVER,
    # the same run may work again
    "storage_unavailable": Rule(retries=2, wait=5),
    "comfy_unreachable": Rule(retries=2, wait=2),
    "comfy_crashed": Rule(retries=2, wait=2),
    "connection_lost": Rule(retries=2, wait=2),
    "worker_lost": Rule(retries=2, wait=0),
    "execution_timeout": Rule(retries=1, wait=0),
    "runpod_unavailable": Rule(retries=2, wait=10),
    # once more on a fresh worker
    "out_of_memory": Rule(retries=1, wait=0),
    "disk_full": Rule(retries=1, wait=0),
    # not this stage but the one before it
    "artifact_missing": Rule(retries=1, wait=0),
    "artifact_corrupt": Rule(retries=1, wait=0),
    # a retry would burn money
    "graph_rejected": _NEVER,
    "model_missing": _NEVER,
    "contract_mismatch": _NEVER,
    "bad_output": _NEVER,
    "internal": _NEVER,
}


@dataclass(frozen=True)
class View:
    """The rows as they stand."""

    generation: GenerationState
    order: tuple[Stage, ...]
    stage: Stage
    run: RunState
    runpod_id: str | None
    attempts: dict[Stage, int]
    """Runs of each stage so far, this one included."""
    codes: tuple[str, ...] = ()
    """Error codes of this stage's earlier runs."""
    repair: bool = False
    """This run makes again what was lost or damaged; so must the run that is tried after it."""
    repaired: bool = False
    """An earlier stage has been re-run for this one already."""
    outdated: bool = False
    """The plan is of an older contract than this code speaks."""
    outgrown: frozenset[Stage] = frozenset()
    """Stages of which a run has found its machine too small (CapacityError)."""


# events


@dataclass(frozen=True)
class Submitted:
    """RunPod took the run and gave it an id."""

    runpod_id: str


@dataclass(frozen=True)
class Started:
    """A worker has it."""

    ago: float = 0.0
    """Seconds since it took it."""


@dataclass(frozen=True)
class Finished:
    """The manifest stands in S3: the stage is done, whoever said so."""

    manifest: Manifest


@dataclass(frozen=True)
class Failed:
    """The run ended without a manifest."""

    error: ErrorBody
    state: RunState = RunState.FAILED


@dataclass(frozen=True)
class CancelAsked:
    """The user wants it to stop."""


Event = Submitted | Started | Finished | Failed | CancelAsked

# effects


@dataclass(frozen=True)
class StartRun:
    """Insert a stage run and defer its submit after `wait` seconds (before jitter)."""

    stage: Stage
    attempt: int
    wait: float = 0.0
    repair: bool = False
    """Discard the manifest of the stage's last success first: its artifacts are gone or damaged."""
    anew: bool = False
    """Plan the generation again first, under the contract that this code speaks."""
    large: bool = False
    """It has outgrown a machine: on the stage's endpoint for big jobs, where there is one."""


@dataclass(frozen=True)
class CancelRun:
    """Tell RunPod to stop this run."""

    runpod_id: str


@dataclass(frozen=True)
class Announce:
    """The generation is final: record credits, tell followers, deliver the webhook."""

    refund: bool


Effect = StartRun | CancelRun | Announce


@dataclass(frozen=True)
class Step:
    generation: GenerationState
    run: RunState
    effects: tuple[Effect, ...] = ()
    error: ErrorBody | None = None
    """Why the generation failed, when it did."""


def step(view: View, event: Event) -> Step:
    """What follows from an event. Events about a final run or generation change nothing."""
    if isinstance(event, CancelAsked):
        return _cancel(view)
    if view.run.final:
        if isinstance(event, Submitted) and event.runpod_id != view.runpod_id:
            # the submit was under way while the run ended, by cancel or deadline: it exists at RunPod after all
            return Step(view.generation, view.run, (CancelRun(event.runpod_id),))
        return Step(view.generation, view.run)
    if view.generation.final:
        return Step(view.generation, RunState.CANCELED)
    return _live(view, event)


def _live(view: View, event: Submitted | Started | Finished | Failed) -> Step:
    match event:
        case Submitted():
            if view.runpod_id and view.runpod_id != event.runpod_id:
                # two submits of one run, after a lost reply or a killed worker: the first one counts
                return Step(view.generation, view.run, (CancelRun(event.runpod_id),))
            state = RunState.SUBMITTED if view.run is RunState.PENDING else view.run
            return Step(GenerationState.RUNNING, state)
        case Started():
            return Step(GenerationState.RUNNING, RunState.RUNNING)
        case Finished():
            return _finished(view)
        case Failed():
            return _failed(view, event.error, event.state)


def _cancel(view: View) -> Step:
    if view.generation.final:
        return Step(view.generation, view.run)
    stop = (CancelRun(view.runpod_id),) if view.runpod_id and not view.run.final else ()
    run = view.run if view.run.final else RunState.CANCELED
    return Step(GenerationState.CANCELED, run, (*stop, Announce(refund=True)))


def _finished(view: View) -> Step:
    following = view.order[view.order.index(view.stage) + 1 :]
    if not following:
        return Step(GenerationState.SUCCEEDED, RunState.SUCCEEDED, (Announce(refund=False),))
    return Step(GenerationState.RUNNING, RunState.SUCCEEDED, (_start(view, following[0]),))


def _start(view: View, stage: Stage, *, wait: float = 0.0, repair: bool = False, outgrown: bool = False) -> StartRun:
    """The next attempt of a stage, whichever run it follows."""
    large = outgrown or stage in view.outgrown
    return StartRun(stage, view.attempts.get(stage, 0) + 1, wait, repair=repair, large=large)


def _failed(view: View, error: ErrorBody, state: RunState) -> Step:
    rule = RETRIES[error.code]
    attempts = view.attempts[view.stage]
    tried = view.codes.count(error.code)
    if issubclass(family_of(error.code), UpstreamError):
        return _repair(view, error, state)
    if error.code == "contract_mismatch" and view.outdated:
        return _plan_anew(view, state)
    # a run that we gave up by our own clock may still burn money at RunPod
    stop = (CancelRun(view.runpod_id),) if state is RunState.TIMED_OUT and view.runpod_id else ()
    if tried < rule.retries and attempts < MAX_ATTEMPTS:
        wait = min(rule.wait * 2**tried, rule.longest)
        again = _start(
            view, view.stage, wait=wait, repair=view.repair, outgrown=issubclass(family_of(error.code), CapacityError)
        )
        return Step(GenerationState.RUNNING, state, (*stop, again))
    given_up = _give_up(error, state)
    return replace(given_up, effects=(*stop, *given_up.effects))


def _repair(view: View, error: ErrorBody, state: RunState) -> Step:
    """Re-run the stage that made the artifact, once. An input of the user cannot be made again."""
    index = view.order.index(view.stage)
    if view.repaired or index == 0:
        return _give_up(error, state)
    maker = view.order[index - 1]
    again = _start(view, maker, repair=True)
    return Step(GenerationState.RUNNING, state, (again,))


def _plan_anew(view: View, state: RunState) -> Step:
    """A deploy raised the contract under a live generation: all of it is made again, once, as then it is of today."""
    again = replace(_start(view, view.order[0]), anew=True)
    return Step(GenerationState.RUNNING, state, (again,))


def _give_up(error: ErrorBody, state: RunState) -> Step:
    return Step(GenerationState.FAILED, state, (Announce(refund=True),), error)
