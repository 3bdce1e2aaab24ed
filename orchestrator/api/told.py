"""What is told unasked, for the OpenAPI document: the events of a generation, and webhooks."""

from datetime import datetime
from typing import Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from orchestrator.api.answers import EarlyLook, Head, Result
from orchestrator.transitions import RunState
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody

_closed = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))

EventType = Literal[
    "generation.queued",
    "generation.running",
    "generation.succeeded",
    "generation.failed",
    "generation.canceled",
    "stage.pending",
    "stage.submitted",
    "stage.running",
    "stage.succeeded",
    "stage.failed",
    "stage.lost",
    "stage.timed_out",
    "stage.canceled",
    "progress",
    "early_look",
]


@_closed
class ProgressEvent(TypedDict):
    """One message of the progress socket, or the `data` of one server-sent event."""

    seq: int
    """1, 2, 3 ... within the generation; go on after it with `?after=`."""
    at: datetime
    type: EventType
    fraction: NotRequired[float]
    """0 to 1, of the generation."""
    stage: NotRequired[Stage]
    attempt: NotRequired[int]
    stage_fraction: NotRequired[float]
    """0 to 1, of the stage."""
    phase: NotRequired[Literal["fetching", "executing", "delivering", "uploading", "looking"]]
    step: NotRequired[int]
    """Of the sampler."""
    steps: NotRequired[int]
    remaining_seconds: NotRequired[float]
    """Until the video, when nothing has to wait for a worker; it never jumps back by more than a little."""
    wait: NotRequired[float]
    """Seconds before the next attempt of the stage."""
    reused: NotRequired[bool]
    """The work of the stage had been done before."""
    again: NotRequired[bool]
    """The stage is tried again."""
    early_look: NotRequired[EarlyLook]
    """In the event of that name, once, where the base stage is not the last."""
    error: NotRequired[ErrorBody]
    credits_refund: NotRequired[int]


@_closed
class WebhookData(Head):
    """The generation at its end."""

    seq: int
    """Of its last event."""
    credits_charged: int
    """What remains to be paid: `credits` less `credits_refund`."""
    result: NotRequired[Result]
    """Of a generation that succeeded; the URLs are valid for an hour."""


@_closed
class WebhookMessage(TypedDict):
    """Signed as Standard Webhooks says: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

    type: Literal["generation.succeeded", "generation.failed", "generation.canceled"]
    timestamp: datetime
    data: WebhookData


@_closed
class WebhookProgressData(Head):
    """A generation that goes on, and its newest stage run."""

    seq: int
    """Never falls from one message to the next; one that comes after a higher one says nothing any more."""
    stage: Stage
    attempt: int
    stage_state: RunState
    stage_fraction: float
    """0 to 1, of the stage."""
    fraction: float
    """0 to 1, of the generation."""
    remaining_seconds: NotRequired[float]
    """Until the video, when nothing has to wait for a worker."""
    early_look: NotRequired[EarlyLook]


@_closed
class WebhookProgress(TypedDict):
    """Only where WEBHOOK_PROGRESS is set: at turns of stages and tenths of the way, each at most once."""

    type: Literal["generation.progress"]
    timestamp: datetime
    data: WebhookProgressData


@_closed
class RunPodMessage(TypedDict):
    """Only where WEBHOOK_SHAPE is `runpod`: the end, in the body of RunPod's own webhooks, signed like the others."""

    id: str
    """Of the generation."""
    status: Literal["COMPLETED", "FAILED"]
    """A canceled one is FAILED too."""
    output: NotRequired[Result]
    error: NotRequired[str]
    """`code: message`"""
    credits_charged: int
    credits_refund: int
