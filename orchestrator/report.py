"""All that an operator may know of one generation: what was asked, each stage run, where the time went. Pure.

Never the prompt, the URLs or the metadata of a user: what an operator looks for does not stand in them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from orchestrator.store.rows import Delivery, Event, Generation, StageRun
from orchestrator.timeline import Passing, Span, Sums, Told, spans_of, sums_of
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution, Stage
from shared.errors import ErrorBody


class AskedFor(Told):
    """The request, without the words and addresses of its user."""

    quality: Quality
    resolution: Resolution
    duration: int
    camera: Camera
    spatial_upscale: bool
    temporal_upscale: bool
    detailer: bool
    control: ControlType | None
    precision: Precision
    steps: int | None
    seed: int
    early_look: bool
    image: bool
    """Is it image-to-video?"""
    webhook: bool
    """Does somebody want to be told of the end?"""


class ArtifactLeft(Told):
    role: str
    key: str
    sha256: str
    bytes: int


class RunReport(Told):
    """One stage run. Times are null as long as it has not come so far."""

    attempt_id: str
    """Names its job in the worker's log, and its artifacts."""
    stage: Stage
    attempt: int
    state: RunState
    repair: bool
    reused: bool
    """Its work was found done: no GPU was used."""
    progress: float
    endpoint: str | None
    runpod_id: str | None
    stage_key: str | None
    planned_seconds: float | None
    """GPU seconds that the plan expects; an estimate."""
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    """Of its present state; null once it has ended."""
    timings: dict[str, float]
    """Seconds by phase, as the worker measured them."""
    artifacts: list[ArtifactLeft]
    error: ErrorBody | None


class Happening(Told):
    """One event, but for progress."""

    seq: int
    at: datetime
    type: str
    stage: Stage | None
    attempt: int | None
    code: str | None
    wait: float | None
    """Seconds before the next attempt."""


class DeliveryReport(Told):
    """The webhook about the end."""

    id: str
    state: Literal["pending", "delivered", "dead"]
    tries: int
    last_answer: str | None
    created_at: datetime
    finished_at: datetime | None


class GenerationReport(Told):
    id: str
    at: datetime
    """When this was read, by the database's clock."""
    state: GenerationState
    owner: str
    """Name of the API key that asked."""
    asked: AskedFor
    credits: int
    credits_refund: int | None
    created_at: datetime
    finished_at: datetime | None
    error: ErrorBody | None
    plan: list[Stage]
    runs: list[RunReport]
    """Oldest first."""
    spans: list[Span]
    """From the request to the end, or to now: without a gap, without an overlap."""
    sums: Sums
    wasted_seconds: float
    """Of those that ran: in runs that made nothing."""
    events: list[Happening]
    """All but progress, oldest first; the newest few hundred."""
    delivery: DeliveryReport | None


def report(
    generation: Generation,
    history: Sequence[StageRun],
    events: Sequence[Event],
    delivery: Delivery | None,
    now: datetime,
) -> GenerationReport:
    """`now`: by the database's clock, as all the other times."""
    spans = spans_of(generation.created_at, history, generation.finished_at or now)
    planned = {step.stage: step.estimated_seconds for step in generation.plan.stages}
    return GenerationReport(
        id=generation.id,
        at=now,
        state=generation.state,
        owner=generation.owner,
        asked=_asked(generation.request, generation.plan.seed),
        credits=generation.credits,
        credits_refund=generation.credits_refund,
        created_at=generation.created_at,
        finished_at=generation.finished_at,
        error=generation.error,
        plan=list(generation.plan.order),
        runs=[_run(run, planned.get(run.stage)) for run in history],
        spans=list(spans),
        sums=sums_of(spans),
        wasted_seconds=round(sum(span.seconds for span in spans if _in_vain(span, history)), 3),
        events=[_happening(event) for event in events],
        delivery=None if delivery is None else DeliveryReport.model_validate(_fields(delivery, DeliveryReport)),
    )


def _asked(request: GenerationRequest, seed: int) -> AskedFor:
    same = _fields(request, AskedFor) | {"control": request.control.type if request.control else None, "seed": seed}
    image = bool(request.image_urls or request.upload_id)
    return AskedFor.model_validate({**same, "image": image, "webhook": request.webhook_url is not None})


def _run(run: StageRun, planned: float | None) -> RunReport:
    left = run.manifest.artifacts if run.manifest else {}
    return RunReport.model_validate(
        {
            **_fields(run, RunReport),
            "attempt_id": run.id,
            "deadline_at": None if run.state.final else run.deadline_at,
            "planned_seconds": planned,
            "timings": run.manifest.timings if run.manifest else {},
            "artifacts": [
                ArtifactLeft(role=role, key=made.key, sha256=made.sha256, bytes=made.bytes)
                for role, made in left.items()
            ],
        }
    )


def _happening(event: Event) -> Happening:
    """Of an event's data only what is named here: a follower's URLs and clips are not an operator's business."""
    error = event.data.get("error") or {}
    same = {name: event.data.get(name) for name in ("stage", "attempt", "wait")}
    return Happening.model_validate(
        {"seq": event.seq, "at": event.at, "type": event.type, **same, "code": error.get("code")}
    )


def _in_vain(span: Span, history: Sequence[StageRun]) -> bool:
    if span.passing is not Passing.RUNNING or span.run is None:
        return False
    state = history[span.run].state
    return state.final and state is not RunState.SUCCEEDED


def _fields(source: object, wanted: type[Told]) -> dict[str, Any]:
    """What the source has under the same names."""
    return {name: getattr(source, name) for name in wanted.model_fields if hasattr(source, name)}
