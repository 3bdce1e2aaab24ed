"""Rows as immutable, validated values."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

from psycopg import AsyncCursor
from pydantic import BaseModel, ConfigDict

from orchestrator.plan import Plan
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # a column of newer code does not stop older code

    @classmethod
    def factory(cls, cursor: AsyncCursor[Any]) -> Callable[[Sequence[Any]], Self]:
        """A psycopg row factory."""
        names = [column.name for column in cursor.description or ()]
        return lambda values: cls.read(dict(zip(names, values, strict=True)))

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """What was accepted once stays readable, whatever settings and contract say today."""
        return cls.model_validate(values, context={"allow_draft": True, "any_contract": True})


R = TypeVar("R", bound=Row)


def inserted(row: R | None) -> R:
    """Of INSERT .. RETURNING."""
    if row is None:
        raise RuntimeError("INSERT .. RETURNING gave no row")
    return row


class Generation(Row):
    id: str
    number: int
    owner: str
    state: GenerationState
    request: GenerationRequest
    plan: Plan
    image: Artifact | None
    control: Artifact | None
    credits: int
    credits_refund: int | None
    error: ErrorBody | None
    last_seq: int
    progress_told: int
    """Progress webhooks that were queued for it."""
    early_look: Artifact | None
    created_at: datetime
    finished_at: datetime | None


class StageRun(Row):
    id: str
    number: int
    generation_id: str
    stage: Stage
    attempt: int
    state: RunState
    repair: bool
    endpoint: str | None
    token: str
    runpod_id: str | None
    stage_key: str | None
    progress: float
    reused: bool
    manifest: Manifest | None
    error: ErrorBody | None
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime
    next_poll_at: datetime


class Event(Row):
    seq: int
    at: datetime
    type: str
    data: dict[str, Any]


class Delivery(Row):
    id: str
    generation_id: str
    state: str
    tries: int
    last_answer: str | None
    created_at: datetime
    finished_at: datetime | None


class ListedDelivery(Delivery):
    number: int
    """Of its generation, for paging."""


class Upload(Row):
    id: str
    owner: str
    key: str
    media_type: str
    bytes: int
