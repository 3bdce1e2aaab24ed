"""API keys: bearer tokens, known by their sha256 and compared in constant time."""

import hashlib
import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection

from orchestrator.api.errors import Problem
from orchestrator.api.services import Injected
from orchestrator.settings import ApiKey

SUBPROTOCOL = "ltx2.progress"
TOKEN_PREFIX = "bearer."  # noqa: S105  a marker, not a secret
"""Browsers cannot set headers on a WebSocket: they offer the subprotocols `ltx2.progress, bearer.<key>`."""


def key_of(token: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Looks at every key, whichever fits, so that time tells nothing."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    fitting = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    return fitting[0] if fitting else None


def _token(connection: HTTPConnection) -> str | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if connection.scope["type"] == "websocket":
        offered = connection.headers.get("sec-websocket-protocol", "").split(",")
        tokens = [word.strip().removeprefix(TOKEN_PREFIX) for word in offered if word.strip().startswith(TOKEN_PREFIX)]
        return tokens[0] if tokens else None
    return None


async def caller(connection: HTTPConnection, services: Injected) -> ApiKey:
    """Who calls; a 401 problem when that is nobody we know."""
    token = _token(connection)
    key = key_of(token, services.settings.api_keys) if token else None
    if key is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "send your API key as `Authorization: Bearer <key>`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    structlog.contextvars.bind_contextvars(caller=key.name)
    return key


Caller = Annotated[ApiKey, Depends(caller)]


async def debugger(key: Caller) -> ApiKey:
    """A caller who may send raw stage inputs."""
    if not key.debug:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this key may not send raw stage inputs")
    return key


Debugger = Annotated[ApiKey, Depends(debugger)]
