"""JSON bodies, read strictly: size, time, type, syntax, and text that Postgres can hold."""

import asyncio
import json
from http import HTTPStatus
from math import isfinite
from typing import Any, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from orchestrator.api.errors import Problem, invalid
from shared.contracts.problems import FieldProblem

LIMIT = 256 * 1024  # bytes; a prompt of 5,000 characters, escaped at its worst, takes 60 kB
SECONDS = 20.0  # for all of it; a sender who drips holds a task and a socket
DEPTH = 20


async def json_body(request: Request) -> dict[str, Any]:
    """The object that was sent. 408, 413, 415 or 422 problems otherwise."""
    _require_plain_json(request)
    try:
        async with asyncio.timeout(SECONDS):
            text = await _read(request)
    except TimeoutError as error:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT, "request_timeout", f"the body took more than {SECONDS:g} s", retryable=True
        ) from error
    try:
        data = json.loads(text.decode(), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _wrong("body", "this is not valid JSON in UTF-8, with each name once") from error
    if not isinstance(data, dict):
        raise _wrong("body", "send a JSON object")
    _check(data, "", DEPTH)
    return data


def _require_plain_json(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.strip().replace('"', "") in {"", "charset=utf-8"}
    packed = request.headers.get("content-encoding", "identity").lower() != "identity"
    if media_type.strip() != "application/json" or not charset or packed:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send application/json, in UTF-8, not packed"
        )


async def _read(request: Request) -> bytes:
    """Counts what arrives: a Content-Length may be absent, or a lie."""
    claimed = request.headers.get("content-length", "")
    text = bytearray()
    try:
        if claimed.isdecimal() and int(claimed) > LIMIT:
            raise _too_large()
        async for chunk in request.stream():
            text += chunk
            if len(text) > LIMIT:
                raise _too_large()
    except ClientDisconnect as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "bad_request", "the body ended in the middle", retryable=True) from error
    return bytes(text)


def _check(value: Any, path: str, depth: int) -> None:
    """Refuse what JSON allows and nobody can store or send on: NUL, lone surrogates, 1e999, endless nesting."""
    if depth == 0:
        raise _wrong(path, "nested too deeply")
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise _wrong(path or "body", "text with NUL or half a surrogate pair is not accepted")
        case float():
            if not isfinite(value):
                raise _wrong(path, "this number is too large")
        case dict():
            for name, item in value.items():
                _check(name, f"{path}.<name>".lstrip("."), depth - 1)
                _check(item, f"{path}.{name}".lstrip("."), depth - 1)
        case list():
            for index, item in enumerate(value):
                _check(item, f"{path}.{index}".lstrip("."), depth - 1)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name either might be meant, and parsers differ in which they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _too_large() -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large", f"a body has at most {LIMIT} bytes")


def _wrong(field: str, message: str) -> Problem:
    return invalid([FieldProblem(field=field, message=message)])
