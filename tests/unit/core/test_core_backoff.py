"""When a task is tried again, and when that was its last word."""

import asyncio
from datetime import UTC, datetime

import pytest
from procrastinate.jobs import Job

from orchestrator.tasks import Backoff, LeftToNewerError
from shared.errors import TransientError

TRIES = 4
BACKOFF = Backoff(tries=TRIES, first=2, longest=5)
TROUBLE = TransientError("runpod_unavailable", "busy")


def job(attempts: int) -> Job:
    return Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="submit", attempts=attempts)


@pytest.mark.parametrize(("attempts", "longest"), [(0, 2.0), (1, 4.0), (2, 5.0)])
def test_waits_double_to_a_limit_and_are_jittered(attempts: int, longest: float) -> None:
    decision = BACKOFF.get_retry_decision(exception=TROUBLE, job=job(attempts))
    assert decision is not None
    assert decision.retry_at is not None
    wait = (decision.retry_at - datetime.now(UTC)).total_seconds()
    assert longest / 2 - 1 <= wait <= longest


def test_it_ends_after_the_last_try() -> None:
    assert BACKOFF.get_retry_decision(exception=TROUBLE, job=job(TRIES - 1)) is None


@pytest.mark.parametrize("error", [asyncio.CancelledError(), LeftToNewerError()])
def test_what_is_not_the_tasks_own_trouble_is_no_last_try(error: BaseException) -> None:
    """A replica that is stopped, or too old, hands the task on, however often it was tried before."""
    assert BACKOFF.get_retry_decision(exception=error, job=job(TRIES + 5)) is not None
