"""What answers look like, for the OpenAPI document: `views.py` makes them, and schemathesis compares the two."""

from datetime import datetime
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from orchestrator.plan import Delivery as Delivers
from orchestrator.runpod_client import Job
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.artifact import Artifact, Digest
from shared.contracts.problems import FieldProblem
from shared.contracts.vocabulary import Ending, Stage
from shared.errors import ErrorBody

__all__ = [
    "DeliveryPage",
    "Generation",
    "GenerationPage",
    "Generations",
    "Job",
    "Problem",
    "Quote",
    "Quotes",
    "Submitted",
    "Upload",
    "WebhookDelivery",
]

_closed = with_config(ConfigDict(extra="forbid"))  # a field that is not in the document is an error in one of the two


@_closed
class Problem(TypedDict):
    """RFC 9457, with a code for programs and the fields that are wrong."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool
    errors: NotRequired[list[FieldProblem]]


@_closed
class StageEstimate(TypedDict):
    stage: Stage
    estimated_seconds: float


@_closed
class Quotes(TypedDict):
    """One for each task, in their order, and the credits of all."""

    quotes: list["Quote"]
    credits: int


@_closed
class Quote(TypedDict):
    """`credits` is the whole price; `surcharges` says what of it which enhancement adds, where one is not free."""

    credits: int
    surcharges: dict[str, int]
    estimated_seconds: float
    stages: list[StageEstimate]
    delivers: Delivers


@_closed
class PlannedStage(TypedDict):
    stage: Stage
    estimated_seconds: float
    ending: Ending


@_closed
class StageRun(TypedDict):
    stage: Stage
    attempt: int
    state: RunState
    fraction: float
    reused: NotRequired[bool]
    repair: NotRequired[bool]
    stage_key: NotRequired[Digest]
    created_at: datetime
    submitted_at: NotRequired[datetime]
    started_at: NotRequired[datetime]
    finished_at: NotRequired[datetime]
    artifacts: dict[str, Artifact]
    timings: NotRequired[dict[str, float]]
    error: NotRequired[ErrorBody]


@_closed
class Urls(TypedDict):
    self: str
    progress: NotRequired[str]


class Head(TypedDict):
    """What is always said of a generation."""

    id: str
    state: GenerationState
    credits: int
    credits_refund: NotRequired[int]
    seed: int
    delivers: Delivers
    created_at: datetime
    finished_at: NotRequired[datetime]
    error: NotRequired[ErrorBody]
    metadata: NotRequired[dict[str, str]]
    urls: Urls


@_closed
class Summary(Head):
    """One line of a list."""


@_closed
class Result(TypedDict, total=False):
    """Presigned URLs, and what the video is."""

    video_url: str
    download_url: str
    poster_url: str
    sha256: Digest
    bytes: int
    width: int
    height: int
    frames: int
    fps: int
    seconds: float


@_closed
class EarlyLook(TypedDict):
    """A clip of half size from the base stage, while the later stages run; the URL is presigned."""

    url: str
    sha256: Digest
    bytes: int
    width: int
    height: int
    frames: int
    fps: int
    seconds: float


@_closed
class Generation(Head):
    plan: list[PlannedStage]
    stages: list[StageRun]
    fraction: float
    last_seq: int
    early_look: NotRequired[EarlyLook]
    result: NotRequired[Result]


@_closed
class Generations(TypedDict):
    """What several tasks became, in their order, and the credits of all."""

    generations: list[Generation]
    credits: int


@_closed
class GenerationPage(TypedDict):
    generations: list[Summary]
    next: int | None


@_closed
class Upload(TypedDict):
    upload_id: str
    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    expires_at: datetime


@_closed
class WebhookDelivery(TypedDict):
    """An outgoing webhook: `id` is its `webhook-id`."""

    id: str
    generation_id: str
    state: Literal["pending", "delivered", "dead"]
    tries: int
    last_answer: NotRequired[str]
    created_at: datetime
    finished_at: NotRequired[datetime]


@_closed
class DeliveryPage(TypedDict):
    deliveries: list[WebhookDelivery]
    next: int | None


@_closed
class Submitted(TypedDict):
    stage: Stage
    runpod_id: str
    urls: Urls


@_closed
class Alive(TypedDict):
    status: Literal["alive"]


@_closed
class Readiness(TypedDict):
    status: Literal["ready", "not ready"]
    checks: dict[str, Any]
