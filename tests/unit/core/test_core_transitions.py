"""The transition table, row by row."""

from dataclasses import replace

import pytest

from orchestrator.transitions import (
    MAX_ATTEMPTS,
    RETRIES,
    Announce,
    CancelAsked,
    CancelRun,
    Event,
    Failed,
    Finished,
    GenerationState,
    RunState,
    Started,
    StartRun,
    Step,
    Submitted,
    View,
    step,
)
from shared.contracts.vocabulary import Stage
from shared.errors import CapacityError, ErrorBody, UpstreamError, family_of
from tests.unit.core.world import manifest

BASE, SPATIAL, TEMPORAL = Stage.BASE_GEN, Stage.SPATIAL_UPSCALE, Stage.TEMPORAL_UPSCALE
ALL = (BASE, SPATIAL, TEMPORAL)
QUEUED, RUNNING = GenerationState.QUEUED, GenerationState.RUNNING
LIVE_RUNS = [RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING]
FINAL_RUNS = [state for state in RunState if state not in LIVE_RUNS]
FINAL_GENERATIONS = [GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELED]
RETRIED = [code for code, rule in RETRIES.items() if rule.retries and not issubclass(family_of(code), UpstreamError)]
UPSTREAM = list(UpstreamError.codes)
NEVER = [code for code, rule in RETRIES.items() if not rule.retries]

MANIFEST = manifest(BASE)


def error(code: str) -> ErrorBody:
    return ErrorBody.model_validate({"code": code, "message": "it broke", "retryable": family_of(code).retryable})


def failed(code: str, state: RunState = RunState.FAILED) -> Failed:
    return Failed(error(code), state)


VIEW = View(
    generation=RUNNING,
    order=ALL,
    stage=BASE,
    run=RunState.RUNNING,
    runpod_id="rp-1",
    attempts={BASE: 1},
)
EVENTS: list[Event] = [
    Submitted("rp-2"),
    Started(),
    Finished(MANIFEST),
    failed("worker_lost", RunState.LOST),
    failed("bad_output"),
]


def test_final_states() -> None:
    assert [state for state in GenerationState if state.final] == FINAL_GENERATIONS
    assert [state for state in RunState if not state.final] == LIVE_RUNS


@pytest.mark.parametrize("state", LIVE_RUNS)
def test_of_two_submits_of_one_run_the_first_counts(state: RunState) -> None:
    view = replace(VIEW, run=state)
    assert step(view, Submitted("rp-2")) == Step(RUNNING, state, (CancelRun("rp-2"),))
    assert step(view, Submitted("rp-1")).effects == ()


@pytest.mark.parametrize("state", LIVE_RUNS)
@pytest.mark.parametrize("generation", [QUEUED, RUNNING])
def test_a_submit_and_a_start_move_forward_only(generation: GenerationState, state: RunState) -> None:
    view = replace(VIEW, generation=generation, run=state, runpod_id=None)
    submitted = RunState.SUBMITTED if state is RunState.PENDING else state
    assert step(view, Submitted("rp-1")) == Step(RUNNING, submitted)
    assert step(view, Started()) == Step(RUNNING, RunState.RUNNING)


@pytest.mark.parametrize("state", LIVE_RUNS)
def test_a_finished_stage_starts_the_next_one_and_the_last_ends_the_generation(state: RunState) -> None:
    for stage, following in ((BASE, SPATIAL), (SPATIAL, TEMPORAL)):
        view = replace(VIEW, run=state, stage=stage, attempts={stage: 2})
        assert step(view, Finished(MANIFEST)) == Step(RUNNING, RunState.SUCCEEDED, (StartRun(following, 1),))
    view = replace(VIEW, run=state, stage=TEMPORAL, attempts=dict.fromkeys(ALL, 1))
    assert step(view, Finished(MANIFEST)) == Step(
        GenerationState.SUCCEEDED, RunState.SUCCEEDED, (Announce(refund=False),)
    )


def test_a_stage_that_ran_before_a_repair_counts_on() -> None:
    view = replace(VIEW, attempts={BASE: 2, SPATIAL: 1})
    assert step(view, Finished(MANIFEST)).effects == (StartRun(SPATIAL, 2),)


def test_the_order_of_the_plan_decides_what_comes_next() -> None:
    assert step(replace(VIEW, order=(BASE, TEMPORAL)), Finished(MANIFEST)).effects == (StartRun(TEMPORAL, 1),)
    assert step(replace(VIEW, order=(BASE,)), Finished(MANIFEST)).generation is GenerationState.SUCCEEDED


@pytest.mark.parametrize("code", NEVER)
@pytest.mark.parametrize("state", LIVE_RUNS)
def test_what_cannot_be_retried_ends_the_generation_at_once(code: str, state: RunState) -> None:
    found = step(replace(VIEW, run=state), failed(code))
    assert found == Step(GenerationState.FAILED, RunState.FAILED, (Announce(refund=True),), error(code))


WAITS = {  # code -> the wait before each retry, in seconds
    "storage_unavailable": (5.0, 10.0),
    "comfy_unreachable": (2.0, 4.0),
    "comfy_crashed": (2.0, 4.0),
    "connection_lost": (2.0, 4.0),
    "worker_lost": (0.0, 0.0),
    "execution_timeout": (0.0,),
    "runpod_unavailable": (10.0, 20.0),
    "out_of_memory": (0.0,),
    "disk_full": (0.0,),
}


@pytest.mark.parametrize("code", RETRIED)
def test_how_often_and_how_late_a_code_is_retried(code: str) -> None:
    waits = WAITS[code]
    for tried, wait in enumerate(waits):
        view = replace(VIEW, attempts={BASE: tried + 1}, codes=(code,) * tried)
        again = StartRun(BASE, tried + 2, wait, large=code in CapacityError.codes)
        assert step(view, failed(code)) == Step(RUNNING, RunState.FAILED, (again,))
    view = replace(VIEW, attempts={BASE: len(waits) + 1}, codes=(code,) * len(waits))
    assert step(view, failed(code)) == Step(
        GenerationState.FAILED, RunState.FAILED, (Announce(refund=True),), error(code)
    )


@pytest.mark.parametrize("code", RETRIED)
def test_a_stage_has_so_many_attempts_whatever_the_codes_were(code: str) -> None:
    others = tuple(each for each in RETRIED if each != code)[: MAX_ATTEMPTS - 1]
    view = replace(VIEW, attempts={BASE: MAX_ATTEMPTS}, codes=others)
    assert step(view, failed(code)).generation is GenerationState.FAILED
    view = replace(VIEW, attempts={BASE: MAX_ATTEMPTS - 1}, codes=others[1:])
    assert step(view, failed(code)).effects[0] == StartRun(
        BASE, MAX_ATTEMPTS, RETRIES[code].wait, large=code in CapacityError.codes
    )


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.LOST, RunState.TIMED_OUT])
def test_a_failure_says_how_the_run_ended(state: RunState) -> None:
    assert step(VIEW, failed("worker_lost", state)).run is state
    assert step(VIEW, failed("internal", state)).run is state


def test_a_run_that_we_gave_up_by_our_own_clock_is_stopped_at_runpod() -> None:
    late = failed("execution_timeout", RunState.TIMED_OUT)
    assert step(VIEW, late).effects == (CancelRun("rp-1"), StartRun(BASE, 2))
    assert step(replace(VIEW, runpod_id=None), late).effects == (StartRun(BASE, 2),)
    found = step(replace(VIEW, attempts={BASE: 2}, codes=("execution_timeout",)), late)
    assert found.effects == (CancelRun("rp-1"), Announce(refund=True))
    assert found.error == late.error


@pytest.mark.parametrize("code", UPSTREAM)
@pytest.mark.parametrize(("stage", "maker"), [(SPATIAL, BASE), (TEMPORAL, SPATIAL)])
def test_a_lost_artifact_is_made_again_by_its_maker_once(code: str, stage: Stage, maker: Stage) -> None:
    view = replace(VIEW, stage=stage, attempts={BASE: 1, SPATIAL: 1, stage: 1})
    assert step(view, failed(code)) == Step(RUNNING, RunState.FAILED, (StartRun(maker, 2, repair=True),))
    assert step(replace(view, repaired=True), failed(code)).generation is GenerationState.FAILED


@pytest.mark.parametrize("code", UPSTREAM)
def test_an_input_of_the_user_cannot_be_made_again(code: str) -> None:
    found = step(VIEW, failed(code))
    assert (found.generation, found.error) == (GenerationState.FAILED, error(code))


@pytest.mark.parametrize("state", LIVE_RUNS)
@pytest.mark.parametrize("generation", [QUEUED, RUNNING])
def test_the_user_cancels(generation: GenerationState, state: RunState) -> None:
    view = replace(VIEW, generation=generation, run=state)
    ends = (GenerationState.CANCELED, RunState.CANCELED)
    assert step(view, CancelAsked()) == Step(*ends, (CancelRun("rp-1"), Announce(refund=True)))
    assert step(replace(view, runpod_id=None), CancelAsked()) == Step(*ends, (Announce(refund=True),))


def test_a_submit_that_comes_after_the_cancel_is_canceled_too() -> None:
    view = replace(VIEW, generation=GenerationState.CANCELED, run=RunState.CANCELED, runpod_id=None)
    assert step(view, Submitted("rp-9")) == Step(GenerationState.CANCELED, RunState.CANCELED, (CancelRun("rp-9"),))


@pytest.mark.parametrize("state", FINAL_RUNS)
@pytest.mark.parametrize("generation", list(GenerationState))
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_nothing_leaves_a_final_run(event: Event, generation: GenerationState, state: RunState) -> None:
    found = step(replace(VIEW, generation=generation, run=state), event)
    assert (found.generation, found.run, found.error) == (generation, state, None)
    unknown = isinstance(event, Submitted)  # a run that RunPod has and that nobody waits for
    assert found.effects == ((CancelRun("rp-2"),) if unknown else ())
    assert step(replace(VIEW, generation=generation, run=state), Submitted("rp-1")).effects == ()


@pytest.mark.parametrize("generation", FINAL_GENERATIONS)
@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("event", [*EVENTS, CancelAsked()], ids=lambda event: type(event).__name__)
def test_nothing_leaves_a_final_generation(event: Event, state: RunState, generation: GenerationState) -> None:
    found = step(replace(VIEW, generation=generation, run=state), event)
    assert (found.generation, found.error) == (generation, None)
    assert not [effect for effect in found.effects if isinstance(effect, StartRun | Announce)]


@pytest.mark.parametrize("code", ["worker_lost", "storage_unavailable"])
def test_a_stage_that_ran_out_of_memory_keeps_its_large_endpoint(code: str) -> None:
    view = replace(VIEW, attempts={BASE: 2}, codes=("out_of_memory",), outgrown=frozenset({BASE}))
    assert step(view, failed(code)).effects == (StartRun(BASE, 3, RETRIES[code].wait, large=True),)
    lost = replace(VIEW, stage=SPATIAL, attempts={BASE: 1, SPATIAL: 1}, outgrown=frozenset({BASE}))
    assert step(lost, failed("artifact_missing")).effects == (StartRun(BASE, 2, repair=True, large=True),)


def test_a_repair_that_is_tried_again_is_a_repair_still() -> None:
    view = replace(VIEW, attempts={BASE: 2}, repair=True)
    assert step(view, failed("worker_lost")).effects == (StartRun(BASE, 3, repair=True),)


@pytest.mark.parametrize("stage", ALL)
def test_a_generation_of_an_older_contract_is_planned_anew(stage: Stage) -> None:
    view = replace(VIEW, stage=stage, attempts={BASE: 1, stage: 1}, outdated=True)
    found = step(view, failed("contract_mismatch"))
    assert found == Step(RUNNING, RunState.FAILED, (StartRun(BASE, 2, anew=True),))
    assert step(replace(view, outdated=False), failed("contract_mismatch")).generation is GenerationState.FAILED
    assert step(view, failed("graph_rejected")).generation is GenerationState.FAILED
