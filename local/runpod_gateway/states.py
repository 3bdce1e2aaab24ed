"""The life of a job, pure: what a take, a ping, a result, a cancel or the passing of time does to it.

    IN_QUEUE -take-> IN_PROGRESS -done-> COMPLETED | FAILED
       ^                 |-- cancel -> CANCELLED, execution timeout -> TIMED_OUT
       |-- lost ---------|   (same id; FAILED once the attempts are used up)
       |-- retry -- FAILED | TIMED_OUT
    any live state -- ttl --> deleted;   any final state -- retention --> deleted

Every function returns a `Change`, or None when nothing happens. Nothing but `retry` leaves a final state.
States, timeouts and retention: facts/runpod.md, section A.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class State(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


LIVE = frozenset({State.IN_QUEUE, State.IN_PROGRESS})


@dataclass(frozen=True, slots=True)
class Holder:
    """One process of a worker: a worker id alone cannot tell a restarted process from its predecessor."""

    worker: str
    session: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbers that the transitions need; times are spans, not points."""

    lease: timedelta
    max_attempts: int
    keep_run: timedelta
    keep_runsync: timedelta


@dataclass(frozen=True, slots=True)
class Job:
    """A job without its payloads. `attempts` counts deliveries since a client queued it; `retries` all requeues."""

    id: str
    endpoint: str
    sync: bool
    state: State
    created_at: datetime
    queued_at: datetime
    not_before: datetime
    expires_at: datetime
    execution_timeout_ms: int
    ttl_ms: int
    attempts: int = 0
    retries: int = 0
    worker: str | None = None
    session: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duplicate_due: bool = False
    shadow_worker: str | None = None
    shadow_session: str | None = None
    webhook: str | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def holders(self) -> tuple[Holder, ...]:
        """Who runs it, or ran it last: one process, or two when a fault delivered it twice."""
        pairs = ((self.worker, self.session), (self.shadow_worker, self.shadow_session))
        return tuple(Holder(worker, session or "") for worker, session in pairs if worker is not None)


@dataclass(frozen=True, slots=True)
class Payload:
    output: Any = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written: the job (None deletes it), its payload (None keeps it), stop signals to send."""

    job: Job | None
    payload: Payload | None = None
    stop: tuple[Holder, ...] = ()
    why: str = ""


def take(job: Job, holder: Holder, now: datetime, rules: Rules, *, duplicate: bool = False) -> Change:
    """Hand the job to a worker; with `duplicate` it is going to be handed to a second one too (a fault)."""
    if job.state is State.IN_PROGRESS:  # the second delivery of a duplicated job; the first one keeps its lease
        shadowed = replace(job, duplicate_due=False, shadow_worker=holder.worker, shadow_session=holder.session)
        return Change(shadowed, why="delivered twice")
    taken = replace(
        job,
        state=State.IN_PROGRESS,
        attempts=job.attempts + 1,
        worker=holder.worker,
        session=holder.session,
        shadow_worker=None,
        shadow_session=None,
        started_at=now,
        lease_until=now + rules.lease,
        duplicate_due=duplicate,
    )
    return Change(taken, why="taken")


def renew(job: Job, holder: Holder, now: datetime, rules: Rules) -> Change | None:
    """A ping named the job: that, and only that, extends the lease."""
    if job.state is not State.IN_PROGRESS or holder not in job.holders():
        return None
    return Change(replace(job, lease_until=now + rules.lease), why="renewed")


def is_stray(job: Job | None, holder: Holder) -> bool:
    """Whether a worker that says it runs this job should be told to stop.

    True for a job that is gone, cancelled, timed out, queued again or held by somebody else. Not for one that
    this worker itself has just finished: its ping crossed its result.
    """
    if job is None or holder not in job.holders():
        return True
    return job.state in {State.IN_QUEUE, State.CANCELLED, State.TIMED_OUT}


def progress(job: Job, holder: Holder, output: Any) -> Change | None:
    """Progress shows as `output` while the job runs. Late posts overtake the result, hence the check of the state."""
    if job.state is not State.IN_PROGRESS or holder not in job.holders():
        return None
    return Change(job, Payload(output=output), why="progress")


def done(job: Job, holder: Holder, now: datetime, payload: Payload) -> Change | None:
    """A final result. Only a holder may give it, and only the first one counts."""
    if job.state is not State.IN_PROGRESS or holder not in job.holders():
        return None
    state = State.FAILED if payload.error else State.COMPLETED
    return Change(_ended(job, state, now), payload, why="result")


def lost(job: Job, now: datetime, rules: Rules, why: str, *, stop: bool = False) -> Change:
    """The run came to nothing: queue the job again under the same id, or give up."""
    holders = job.holders() if stop else ()
    if job.attempts >= rules.max_attempts:
        error = f"{why}; all {job.attempts} attempts are used up"
        return Change(_ended(job, State.FAILED, now), Payload(error=error), holders, why=error)
    return Change(_queued(job, now), Payload(), holders, why=why)


def cancel(job: Job, now: datetime) -> Change | None:
    if not job.live:
        return None
    stop = job.holders() if job.state is State.IN_PROGRESS else ()
    return Change(_ended(job, State.CANCELLED, now), Payload(), stop, why="cancelled")


def retry(job: Job, now: datetime) -> Change | None:
    """A client wants a failed job again: same id and input, old output gone, attempts and ttl start anew."""
    if job.state not in {State.FAILED, State.TIMED_OUT}:
        return None
    fresh = replace(_queued(job, now), attempts=0, expires_at=now + timedelta(milliseconds=job.ttl_ms))
    return Change(fresh, Payload(), why="retried")


def sweep(job: Job, now: datetime, rules: Rules) -> Change | None:
    """What the passing of time does, the strongest reason first: retention, ttl, execution timeout, lease."""
    running = job.state is State.IN_PROGRESS
    if not job.live:
        keep = rules.keep_runsync if job.sync else rules.keep_run
        return Change(None, why="retention") if job.finished_at and job.finished_at + keep <= now else None
    if job.expires_at <= now:
        return Change(None, stop=job.holders() if running else (), why="ttl")
    if not running or job.started_at is None or job.lease_until is None:
        return None
    if job.started_at + timedelta(milliseconds=job.execution_timeout_ms) <= now:
        error = f"executionTimeout of {job.execution_timeout_ms} ms exceeded"
        ended = _ended(job, State.TIMED_OUT, now)
        return Change(ended, Payload(error=error), job.holders(), why="execution timeout")
    if job.lease_until <= now:
        why = f"worker lost: no ping named this job for {rules.lease.total_seconds():g} s"
        return lost(job, now, rules, why, stop=True)
    return None


def _ended(job: Job, state: State, now: datetime) -> Job:
    return replace(job, state=state, finished_at=now, lease_until=None, duplicate_due=False)


def _queued(job: Job, now: datetime) -> Job:
    return replace(
        job,
        state=State.IN_QUEUE,
        retries=job.retries + 1,
        queued_at=now,
        not_before=now,
        worker=None,
        session=None,
        shadow_worker=None,
        shadow_session=None,
        lease_until=None,
        started_at=None,
        finished_at=None,
        duplicate_due=False,
    )
