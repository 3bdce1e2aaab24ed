"""What is told unasked, for the OpenAPI document: the events of a generation, and webhooks."""

from datetime import datetime
from typing import Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from orchestrator.api.answers import Head, Result
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
    phase: NotRequired[Literal["fetching", "executing", "delivering", "uploading"]]
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
    error: NotRequired[ErrorBody]
    credits_refund: NotRequired[int]


@_closed
class WebhookData(Head):
    """The generation at its end."""

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
