"""Every error leaves as RFC 9457 problem+json, by the one handler below."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.contracts import problems
from shared.contracts.problems import FieldProblem
from shared.errors import MivoError, TransientError, UserError

log = structlog.get_logger()

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

STATUS = {
    "invalid_input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "input_unreachable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "input_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "input_not_media": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "idempotency_conflict": HTTPStatus.CONFLICT,
}


class Problem(Exception):  # noqa: N818  the name that RFC 9457 gives it
    """Ends a request with a problem answer."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        errors: Sequence[FieldProblem] = (),
        retryable: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.retryable = retryable
        self.headers = headers

    def response(self) -> JSONResponse:
        content: dict[str, Any] = {
            "type": f"urn:mivo:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.message,
            "retryable": self.retryable,
        }
        if self.errors:
            content["errors"] = [error.model_dump(exclude_none=True) for error in self.errors]
        return JSONResponse(content, self.status, dict(self.headers or {}), media_type="application/problem+json")


def invalid(errors: Sequence[FieldProblem]) -> Problem:
    """422 that names each field."""
    said = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input", said, errors=errors)


def too_many(code: str, message: str, *, seconds: int) -> Problem:
    """429, to be tried again after so many seconds."""
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS, code, message, retryable=True, headers={"Retry-After": str(max(seconds, 1))}
    )


def not_found(what: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not_found", f"there is no such {what}")


def problem_of(error: Exception) -> Problem:
    """The answer to any exception. What is not ours is `internal`, and its text stays in the log."""
    match error:
        case Problem():
            return error
        case ValidationError():
            return invalid(problems.of(error))
        case RequestValidationError():
            return invalid(
                [
                    FieldProblem(field=".".join(map(str, item["loc"][1:])), message=item["msg"])
                    for item in error.errors()
                ]
            )
        case HTTPException():
            status = HTTPStatus(error.status_code)
            code = status.phrase.lower().replace(" ", "_")
            return Problem(status, code, status.description or status.phrase, headers=error.headers)
        case _:
            return _of_ours(error)


def _of_ours(error: Exception) -> Problem:
    if isinstance(error, psycopg.OperationalError | PoolTimeout):
        error = TransientError("storage_unavailable", "the database does not answer; try again soon")
    if not isinstance(error, MivoError):
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
    if isinstance(error, TransientError):
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message, retryable=True, headers={"Retry-After": "5"}
        )
    if not isinstance(error, UserError):
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, error.message)
    fields = [
        FieldProblem(
            field=str(error.detail["field"]),
            message=error.message,
            legal=error.detail.get("legal"),
            nearest=error.detail.get("nearest"),
        )
        for _ in range("field" in error.detail)
    ]
    return Problem(STATUS[error.code], error.code, error.message, errors=fields)


def allowed(request: Request) -> str:
    """Every method of a path, for the Allow header; the framework names those of the first route that it finds."""
    routes, scope = request.app.routes, dict(request.scope)
    return ", ".join(
        method
        for method in METHODS
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in routes)
    )


async def handle(request: Request, error: Exception) -> JSONResponse:
    problem = problem_of(error)
    if problem.status is HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers = {"Allow": allowed(request)}
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", path=request.url.path, code=problem.code, exc_info=error)
    return problem.response()


def install(app: FastAPI) -> None:
    kinds = (Problem, ValidationError, RequestValidationError, HTTPException, MivoError, psycopg.Error, PoolTimeout)
    for kind in kinds:
        app.add_exception_handler(kind, handle)
