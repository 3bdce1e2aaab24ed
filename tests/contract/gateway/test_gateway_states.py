"""The pure transitions of a job."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.runpod_gateway import states
from local.runpod_gateway.states import Holder, Job, Payload, Rules, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(timedelta(seconds=30), 3, timedelta(minutes=30), timedelta(minutes=1))
ANN, BOB = Holder("w1", "ann"), Holder("w1", "bob")


def queued(**over: Any) -> Job:
    job = Job(
        id="j",
        endpoint="e",
        sync=False,
        state=State.IN_QUEUE,
        created_at=NOW,
        queued_at=NOW,
        not_before=NOW,
        expires_at=NOW + timedelta(days=1),
        execution_timeout_ms=600_000,
        ttl_ms=86_400_000,
    )
    return replace(job, **over)


def running(**over: Any) -> Job:
    job = states.take(queued(), ANN, NOW, RULES).job
    assert job
    return replace(job, **over)


def test_a_take_leases_the_job() -> None:
    job = running()
    assert (job.state, job.attempts, job.lease_until) == (State.IN_PROGRESS, 1, NOW + RULES.lease)
    assert job.holders() == (ANN,)


@pytest.mark.parametrize("stranger", [BOB, Holder("w2", "ann"), Holder("w1")])
def test_only_the_holder_renews_reports_and_finishes(stranger: Holder) -> None:
    job = running()
    assert states.renew(job, stranger, NOW, RULES) is None
    assert states.progress(job, stranger, 1) is None
    assert states.done(job, stranger, NOW, Payload(1)) is None
    assert states.is_stray(job, stranger)
    assert not states.is_stray(job, ANN)


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        (Payload({"a": 1}), State.COMPLETED),
        (Payload(), State.COMPLETED),
        (Payload(None, "no"), State.FAILED),
        (Payload({"details": [1]}, {"code": "x"}), State.FAILED),
    ],
)
def test_a_result_ends_the_job(payload: Payload, state: State) -> None:
    change = states.done(running(), ANN, NOW, payload)
    assert change
    assert change.job
    assert (change.job.state, change.payload) == (state, payload)


def test_a_lost_run_is_queued_again_until_the_attempts_are_used_up() -> None:
    job = running()
    for attempt in (1, 2):
        change = states.lost(job, NOW, RULES, "gone")
        assert change.job
        assert (change.job.state, change.job.retries, change.job.worker) == (State.IN_QUEUE, attempt, None)
        taken = states.take(change.job, BOB, NOW, RULES).job
        assert taken
        job = taken
    change = states.lost(job, NOW, RULES, "gone")
    assert change.job
    assert change.job.state is State.FAILED
    assert change.payload == Payload(error="gone; all 3 attempts are used up")


@pytest.mark.parametrize(
    ("job", "seconds", "becomes"),
    [
        (running(), 29, None),
        (running(), 30, State.IN_QUEUE),
        (running(attempts=3), 30, State.FAILED),
        (running(execution_timeout_ms=5000), 5, State.TIMED_OUT),
        (running(execution_timeout_ms=5000), 4, None),
        (queued(execution_timeout_ms=5000), 6, None),
        (queued(expires_at=NOW + timedelta(seconds=10)), 10, "deleted"),
        (running(expires_at=NOW + timedelta(seconds=10)), 10, "deleted"),
        (queued(state=State.COMPLETED, finished_at=NOW), 1799, None),
        (queued(state=State.COMPLETED, finished_at=NOW), 1800, "deleted"),
        (queued(state=State.FAILED, finished_at=NOW, sync=True), 59, None),
        (queued(state=State.FAILED, finished_at=NOW, sync=True), 60, "deleted"),
        (queued(state=State.CANCELLED, finished_at=NOW, expires_at=NOW), 10, None),
    ],
)
def test_what_time_does(job: Job, seconds: float, becomes: State | str | None) -> None:
    change = states.sweep(job, NOW + timedelta(seconds=seconds), RULES)
    assert (change and (change.job.state if change.job else "deleted")) == becomes
    if change and job.state is State.IN_PROGRESS:
        assert change.stop == (ANN,)


@given(st.sampled_from(sorted(set(State) - states.LIVE)), st.integers(0, 1799))
def test_nothing_but_a_retry_leaves_a_final_state(state: State, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    job = running(state=state, finished_at=NOW)
    assert states.done(job, ANN, now, Payload(1)) is None
    assert states.progress(job, ANN, 1) is None
    assert states.renew(job, ANN, now, RULES) is None
    assert states.cancel(job, now) is None
    assert states.sweep(job, now, RULES) is None
    retried = states.retry(job, now)
    assert (retried is not None) == (state in {State.FAILED, State.TIMED_OUT})
    if retried and retried.job:
        assert (retried.job.state, retried.job.attempts) == (State.IN_QUEUE, 0)
        assert retried.job.expires_at == now + timedelta(days=1)


def test_of_two_deliveries_the_first_result_counts() -> None:
    job = states.take(queued(), ANN, NOW, RULES, duplicate=True).job
    assert job
    assert job.duplicate_due
    both = states.take(job, BOB, NOW, RULES).job
    assert both
    assert both.holders() == (ANN, BOB)
    assert not both.duplicate_due
    change = states.done(both, BOB, NOW, Payload("b"))
    assert change
    assert change.job
    assert states.done(change.job, ANN, NOW, Payload("a")) is None
    assert not states.is_stray(change.job, ANN)
