"""Every way in which the pipeline can fail, and the one wire form in which a failure travels.

    MivoError
    ├── UserError        yours to fix, never retried
    ├── TransientError   the same run may work again
    ├── CapacityError    out of memory or disk: once more on a fresh worker, then final
    ├── UpstreamError    an input artifact is gone or wrong: re-run the stage that made it, once
    └── FatalError       a retry would burn money

How often a code is tried again is decided in one place only: `orchestrator/transitions.py`.
"""

import json
from math import isfinite
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

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
CapacityCode = Literal["out_of_memory", "disk_full"]
UpstreamCode = Literal["artifact_missing", "artifact_corrupt"]
FatalCode = Literal["graph_rejected", "model_missing", "contract_mismatch", "bad_output", "internal"]
ErrorCode = UserCode | TransientCode | CapacityCode | UpstreamCode | FatalCode

MAX_MESSAGE = 600  # characters
MAX_LEVELS = 10  # of nesting in a detail
MAX_WIRE = 2000  # bytes of the wire form, as of every reply of a worker


def _plain(value: Any, levels: int) -> Any:
    """What any JSON reader and Postgres take: no lone surrogates, no NUL, no NaN, no objects, no abyss."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        case dict() if levels:
            return {_plain(str(key), levels): _plain(item, levels - 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if levels:
            return [_plain(item, levels - 1) for item in value]
        case dict() | list() | tuple() | set() | frozenset():
            return "..."
        case None | bool() | int() | float() if not isinstance(value, float) or isfinite(value):
            return value
        case _:
            return _plain(str(value), levels)


def _short(message: Any) -> Any:
    return _plain(message, 0)[:MAX_MESSAGE] if isinstance(message, str) else message


def _storable(detail: Any) -> Any:
    return _plain(detail, MAX_LEVELS)


class ErrorBody(BaseModel):
    """The wire form, the same from worker to RunPod, in the database, in events and in answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: ErrorCode
    message: Annotated[str, BeforeValidator(_short)]
    retryable: bool
    stage: Annotated[str | None, BeforeValidator(_short)] = None
    detail: Annotated[dict[str, Any] | None, BeforeValidator(_storable)] = None


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
            message=self.message,
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
    """The GPU or the host ran out of memory, or the host out of disk; a fresh worker may have room."""

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
    return _fitted(body)


def _fitted(body: ErrorBody) -> str:
    """The JSON in at most `MAX_WIRE` bytes: detail goes first, then the end of the message."""
    text = body.model_dump_json(exclude_none=True)
    if len(text.encode()) > MAX_WIRE and body.detail:
        return _fitted(body.model_copy(update={"detail": None}))
    if len(text.encode()) > MAX_WIRE and body.message:
        return _fitted(body.model_copy(update={"message": body.message[: len(body.message) // 2]}))
    return text


def from_wire(text: object, *, stage: str | None = None) -> ErrorBody:
    """What RunPod holds as the `error` of a failed job, as our form. Never raises.

    Three kinds arrive: our own JSON; the SDK's JSON of an escaped exception (`error_type`, ...), of which only the
    type is kept, as its text and trace may hold prompts or presigned URLs; free text. The second is `internal`: our
    own handling has a hole. The third is `worker_lost`: a handler of ours never says such a thing, so it is the
    platform that gave the job up, and another worker may do it.
    """
    try:
        data = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):  # RecursionError: thousands of brackets
        data = text
    try:
        body = ErrorBody.model_validate(data)
    except ValidationError:
        if isinstance(data, str):
            return ErrorBody(
                code="worker_lost", message=f"RunPod gave the run up: {data[:300]}", retryable=True, stage=stage
            )
        return ErrorBody(code="internal", message=_said(data), retryable=False, stage=stage)
    return body if body.stage else body.model_copy(update={"stage": stage})


def _said(data: object) -> str:
    if isinstance(data, dict) and isinstance(data.get("error_type"), str):
        return f"an exception escaped the worker: {data['error_type'][:100]}"
    return f"unreadable error: a JSON {type(data).__name__}"
