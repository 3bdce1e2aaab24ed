"""Every way in which the pipeline can fail, and the one wire form in which a failure travels.

    MivoError
    ├── UserError        yours to fix, never retried
    ├── TransientError   the same run may work again
    ├── CapacityError    out of memory: once more on a fresh worker, then final
    ├── UpstreamError    an input artifact is gone or wrong: re-run the stage that made it, once
    └── FatalError       a retry would burn money

How often a code is tried again is decided in one place only: `orchestrator/transitions.py`.
"""

import json
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

UserCode = Literal["invalid_input", "input_unreachable", "input_too_large", "input_not_media", "idempotency_conflict"]
TransientCode = Literal[
    "storage_unavailable",
    "comfy_unreachable",
    "comfy_crashed",
    "connection_lost",
    "worker_lost",
    "execution_timeout",
    "runpod_unavailable",
]
CapacityCode = Literal["out_of_memory"]
UpstreamCode = Literal["artifact_missing", "artifact_corrupt"]
FatalCode = Literal["graph_rejected", "model_missing", "contract_mismatch", "bad_output", "internal"]
ErrorCode = UserCode | TransientCode | CapacityCode | UpstreamCode | FatalCode

MAX_MESSAGE = 600  # characters; keeps a reply with an error well under the 2 kB of a worker's reply


class ErrorBody(BaseModel):
    """The wire form, the same from worker to RunPod, in the database, in events and in answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: ErrorCode
    message: str
    retryable: bool
    stage: str | None = None
    detail: dict[str, Any] | None = None


class MivoError(Exception):
    """Something went wrong in the video pipeline."""

    retryable = False
    codes: tuple[str, ...] = ()

    def __init__(self, code: ErrorCode, message: str, *, stage: str | None = None, **detail: Any) -> None:
        if self.codes and code not in self.codes:
            raise ValueError(f"{type(self).__name__} does not know the code {code!r}; use one of {self.codes}")
        super().__init__(code, message)
        self.code: ErrorCode = code
        self.message = message
        self.stage = stage
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def body(self) -> ErrorBody:
        return ErrorBody(
            code=self.code,
            message=self.message[:MAX_MESSAGE],
            retryable=self.retryable,
            stage=self.stage,
            detail=self.detail or None,
        )


class UserError(MivoError):
    """The request cannot be done as it stands; the sender has to change it."""

    codes = get_args(UserCode)


class TransientError(MivoError):
    """The same run may work again."""

    retryable = True
    codes = get_args(TransientCode)


class CapacityError(MivoError):
    """The GPU or the host ran out of memory; a fresh worker may have room."""

    retryable = True
    codes = get_args(CapacityCode)


class UpstreamError(MivoError):
    """An artifact of an earlier stage is missing or damaged; the stage that made it has to run again."""

    retryable = True
    codes = get_args(UpstreamCode)


class FatalError(MivoError):
    """Trying again would fail again."""

    codes = get_args(FatalCode)


FAMILIES: tuple[type[MivoError], ...] = (UserError, TransientError, CapacityError, UpstreamError, FatalError)


def family_of(code: str) -> type[MivoError]:
    """The family of a code; KeyError for a code that is not ours."""
    for family in FAMILIES:
        if code in family.codes:
            return family
    raise KeyError(code)


def to_wire(error: BaseException, *, stage: str | None = None) -> str:
    """The JSON string that a worker returns as `{"error": ...}`.

    An exception that is not ours becomes `internal`, with its type but without its text: foreign messages may
    hold prompts, paths or presigned URLs. The text goes to the log of the worker.
    """
    if isinstance(error, MivoError):
        body = error.body()
    else:
        kind = type(error).__name__
        body = ErrorBody(
            code="internal", message=f"unexpected {kind}; see the worker's log", retryable=False, stage=stage
        )
    if body.stage is None:
        body = body.model_copy(update={"stage": stage})
    return body.model_dump_json(exclude_none=True)


def from_wire(text: object, *, stage: str | None = None) -> ErrorBody:
    """What RunPod holds as the `error` of a failed job, as our form. Never raises.

    Three kinds arrive: our own JSON; the SDK's JSON of an escaped exception (`error_type`, ...); free text of
    the platform. The last two are `internal`: they say that our own handling has a hole.
    """
    try:
        data = json.loads(text) if isinstance(text, str) else text
        return ErrorBody.model_validate(data)
    except (ValueError, ValidationError):
        said = text if isinstance(text, str) else json.dumps(text, default=str)
        return ErrorBody(code="internal", message=f"unreadable error: {said[:300]}", retryable=False, stage=stage)
