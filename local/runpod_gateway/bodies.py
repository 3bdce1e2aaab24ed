"""Request bodies: JSON whatever the content type says, with a size limit."""

import json
from typing import Any, NoReturn

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

_DRAIN_FACTOR = 10  # how far past the limit a body is read and thrown away, so that the sender sees the answer


async def read_json(request: Request, limit_bytes: int) -> Any:
    """The body as JSON. Raises HTTPException 400 when it is no JSON or longer than the limit.

    The SDK posts results as JSON text under `application/x-www-form-urlencoded` (facts/runpod.md, D trap 7), so
    the content type is not looked at.
    """
    kept: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size <= limit_bytes:
                kept.append(piece)
            elif size > limit_bytes * _DRAIN_FACTOR:
                break
    except ClientDisconnect as error:
        raise HTTPException(400, "the sender hung up in the middle of the body") from error
    if size > limit_bytes:
        raise HTTPException(400, f"body of more than {limit_bytes} bytes")
    try:
        body = json.loads(b"".join(kept), parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # else half surrogates and 1e999 fail later
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no valid JSON") from error
    return body


async def read_object(request: Request, limit_bytes: int) -> dict[str, Any]:
    body = await read_json(request, limit_bytes)
    if not isinstance(body, dict):
        raise HTTPException(400, "the body has to be a JSON object")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
