"""JSON bodies, read strictly: size, type, syntax, and text that Postgres can hold."""

import json
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request
from pydantic import BaseModel

from orchestrator.api.errors import Problem, invalid
from shared.contracts.problems import FieldProblem

LIMIT = 256 * 1024  # bytes; a prompt of 5,000 characters, escaped at its worst, takes 60 kB
DEPTH = 20


def described(model: type[BaseModel] | None = None) -> dict[str, Any]:
    """What OpenAPI says of a body that a route reads itself."""
    schema = {"type": "object"} if model is None else model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def json_body(request: Request) -> dict[str, Any]:
    """The object that was sent. 413, 415 or 422 problems otherwise."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send application/json")
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > LIMIT:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large", f"a body has at most {LIMIT} bytes")
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _wrong("body", "this is not valid JSON") from error
    if not isinstance(data, dict):
        raise _wrong("body", "send a JSON object")
    _check(data, "", DEPTH)
    return data


def _check(value: Any, path: str, depth: int) -> None:
    """Refuse what JSON allows and nobody can store: NUL, lone surrogates, endless nesting."""
    if depth == 0:
        raise _wrong(path, "nested too deeply")
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise _wrong(path or "body", "text with NUL or half a surrogate pair is not accepted")
        case dict():
            for name, item in value.items():
                _check(name, f"{path}.<name>".lstrip("."), depth - 1)
                _check(item, f"{path}.{name}".lstrip("."), depth - 1)
        case list():
            for index, item in enumerate(value):
                _check(item, f"{path}.{index}".lstrip("."), depth - 1)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _wrong(field: str, message: str) -> Problem:
    return invalid([FieldProblem(field=field, message=message)])
