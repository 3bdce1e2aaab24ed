"""How all of it fares, as an operator wants to see it at a glance, and what of that needs them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import get_args

from orchestrator.timeline import Told
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.vocabulary import Stage
from shared.errors import FatalCode

SUBMIT_SECONDS = 300.0
STARVED_SECONDS = 900.0
LATE_SECONDS = 60.0
FAILING_SHARE, FAILING_COUNT = 0.1, 2
"""As in deploy/monitoring/alerts.yml; a test holds the two together."""


class Spread(Told):
    """Of seconds: half of all were below the one, 95 % below the other."""

    p50: float
    p95: float


class Flow(Told):
    """Generations of the last so many minutes."""

    minutes: int
    accepted: int
    succeeded: int
    failed: int
    canceled: int


class EndpointSeen(Told):
    """What RunPod last said of an endpoint; null is what it did not say."""

    endpoint: str
    large: bool
    """For runs that have outgrown the usual one."""
    asked_at: datetime
    idle: int | None = None
    running: int | None = None
    initializing: int | None = None
    throttled: int | None = None
    unhealthy: int | None = None
    problem: str | None = None
    """Why nothing is known."""


class Ended(Told):
    """Stage runs of one stage that ended in the last hour."""

    succeeded: int = 0
    failed: int = 0
    """Those that were lost or took too long are counted here too."""
    canceled: int = 0
    reused: int = 0
    retries: int = 0
    """Those that were not the first attempt."""
    queue_seconds: Spread | None = None
    """From RunPod's taking it to the first sign of a worker."""
    run_seconds: Spread | None = None
    """From the first sign of a worker to the end, where it was a success."""
    gpu_seconds: float = 0.0
    wasted_gpu_seconds: float = 0.0
    """Of those: in runs that made nothing."""


class LiveRuns(Told):
    count: int = 0
    oldest_seconds: float = 0.0


class StageSeen(Told):
    stage: Stage
    pending: LiveRuns
    """Not handed to RunPod yet."""
    submitted: LiveRuns
    """Waiting for a worker."""
    running: LiveRuns
    hour: Ended
    busy_workers: float
    """That the last hour kept busy, on average."""
    endpoints: list[EndpointSeen]


class CodeCount(Told):
    stage: Stage
    code: str
    hour: int
    day: int
    last_at: datetime


class Concern(Told):
    """Something that needs somebody. `alert` names its part of the runbook (docs/operations.md)."""

    alert: str
    stage: Stage | None
    said: str


class Overview(Told):
    at: datetime
    """By the database's clock."""
    concerns: list[Concern]
    live: dict[str, int]
    """Generations that have not ended, by state."""
    flows: list[Flow]
    seconds: Spread | None
    """From the request to the video, of the last hour."""
    stages: list[StageSeen]
    failures: list[CodeCount]
    """Stage runs of the last day (of the newest 10,000), the most frequent code of the last hour first."""
    look_late_seconds: float
    """How overdue the next look at a stage run is."""
    tasks_late_seconds: dict[str, float]
    dead_webhooks: int
    """That were given up in the last day."""


def stages_of(
    live: Sequence[tuple[str, str, int, float]],
    ended: Mapping[Stage, Ended],
    endpoints: Mapping[Stage, Sequence[EndpointSeen]],
) -> list[StageSeen]:
    """Every stage, in its order. `live`: stage, state, count and age of the oldest, as `store.runs.count_live` says."""
    counts = {(stage, state): LiveRuns(count=count, oldest_seconds=age) for stage, state, count, age in live}
    states = (RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING)
    return [
        StageSeen(
            stage=stage,
            **{state: counts.get((stage, state), LiveRuns()) for state in states},
            hour=ended.get(stage, Ended()),
            busy_workers=round(ended.get(stage, Ended()).gpu_seconds / 3600, 2),
            endpoints=list(endpoints.get(stage, ())),
        )
        for stage in Stage
    ]


def concerns_of(
    *,
    stages: Sequence[StageSeen],
    flows: Sequence[Flow],
    failures: Sequence[CodeCount],
    look_late: float,
    tasks_late: Mapping[str, float],
    dead_webhooks: int,
) -> list[Concern]:
    """What is wrong, worst first: what stops everything, then what stops a stage, then what went wrong."""
    return [
        *_late(look_late, tasks_late),
        *(concern for stage in stages for concern in _of_stage(stage)),
        *_failing(flows, failures),
        *(
            Concern(alert="WebhooksDead", stage=None, said=f"{dead_webhooks} webhooks were given up")
            for _ in range(dead_webhooks > 0)
        ),
    ]


def _late(look_late: float, tasks_late: Mapping[str, float]) -> Iterator[Concern]:
    if look_late > LATE_SECONDS:
        yield Concern(alert="RunsNotPolled", stage=None, said=f"a look at a run is {look_late:.0f} s late")
    for task, seconds in tasks_late.items():
        if seconds > LATE_SECONDS:
            yield Concern(alert="TasksLate", stage=None, said=f"a due {task} has waited for {seconds:.0f} s")


def _of_stage(seen: StageSeen) -> Iterator[Concern]:
    unknown = [each.problem for each in seen.endpoints if each.problem]
    if unknown:
        yield Concern(alert="RunPodFailing", stage=seen.stage, said=f"its workers are unknown: {unknown[0]}")
    if seen.pending.oldest_seconds > SUBMIT_SECONDS:
        said = f"a run could not be given to RunPod for {seen.pending.oldest_seconds:.0f} s"
        yield Concern(alert="RunsNotSubmitted", stage=seen.stage, said=said)
    if seen.submitted.count and seen.endpoints and all(_abandoned(each) for each in seen.endpoints):
        yield Concern(alert="StageStarved", stage=seen.stage, said="runs wait for a worker, and there is none")
    elif seen.submitted.oldest_seconds > STARVED_SECONDS:
        said = f"a run has waited {seen.submitted.oldest_seconds:.0f} s for a worker"
        yield Concern(alert="StageStarved", stage=seen.stage, said=said)
    unfit = sum(each.unhealthy or 0 for each in seen.endpoints)
    if unfit:
        yield Concern(alert="WorkersUnstable", stage=seen.stage, said=f"{unfit} workers are unhealthy")


def _abandoned(each: EndpointSeen) -> bool:
    """It is known to have no worker, and none on the way."""
    return each.idle == 0 and each.running == 0 and not each.initializing


def _failing(flows: Sequence[Flow], failures: Sequence[CodeCount]) -> Iterator[Concern]:
    for flow in flows[-1:]:  # the longest
        share = flow.failed / max(flow.failed + flow.succeeded, 1)
        if flow.failed > FAILING_COUNT and share > FAILING_SHARE:
            said = f"{flow.failed} of {flow.failed + flow.succeeded} generations failed in {flow.minutes} minutes"
            yield Concern(alert="GenerationsFail", stage=None, said=said)
    for each in failures:
        if each.code in get_args(FatalCode) and each.hour:
            said = f"{each.code} ({each.hour} in the last hour), which no retry mends"
            yield Concern(alert="WrongSetup", stage=each.stage, said=said)


def flow_of(minutes: int, accepted: int, ended: Mapping[str, int]) -> Flow:
    """`ended`: how many reached each final state."""
    final = {state: ended.get(state, 0) for state in GenerationState if state.final}
    return Flow(minutes=minutes, accepted=accepted, **final)
