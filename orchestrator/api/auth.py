"""API keys: bearer tokens, known by their sha256 and compared in constant time; each has a rate of its own."""

import hashlib
import hmac
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from orchestrator.api.errors import Problem, too_many
from orchestrator.api.services import Injected
from orchestrator.settings import ApiKey
from orchestrator.store import limits

SUBPROTOCOL = "ltx2.progress"
TOKEN_PREFIX = "bearer."  # noqa: S105  a marker, not a secret
"""Browsers cannot set headers on a WebSocket: they offer the subprotocols `ltx2.progress, bearer.<key>`."""


class Bearer(SecurityBase):
    """The token that came, in a header or as a subprotocol. FastAPI's own class knows no WebSockets."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An API key")
        self.scheme_name = "ApiKey"

    async def __call__(self, connection: HTTPConnection) -> str | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        if connection.scope["type"] == "websocket":
            offered = connection.headers.get("sec-websocket-protocol", "").split(",")
            found = [
                word.strip().removeprefix(TOKEN_PREFIX) for word in offered if word.strip().startswith(TOKEN_PREFIX)
            ]
            return found[0] if found else None
        return None


Token = Annotated[str | None, Depends(Bearer())]


def key_of(token: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Looks at every key, whichever fits, so that time tells nothing."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    fitting = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    return fitting[0] if fitting else None


async def known(token: Token, services: Injected) -> ApiKey:
    """Who calls: 401 when that is nobody we know, 429 when they call too often."""
    settings = services.settings
    key = key_of(token, settings.api_keys) if token else None
    if key is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "send your API key as `Authorization: Bearer <key>`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    structlog.contextvars.bind_contextvars(caller=key.name)
    async with services.database.statements() as connection:
        wait = await limits.take(connection, key.name, per_second=settings.rate_per_second, burst=settings.rate_burst)
    if wait:
        raise too_many(
            "rate_limited",
            f"at most {settings.rate_per_second:g} requests a second, after a first {settings.rate_burst}",
            seconds=math.ceil(wait),
        )
    return key


Known = Annotated[ApiKey, Depends(known)]


async def caller(key: Known) -> ApiKey:
    """Somebody who may have generations."""
    if key.metrics:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this key may only read /metrics")
    if key.admin:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this key may only read /api/admin")
    return key


Caller = Annotated[ApiKey, Depends(caller)]


async def debugger(key: Caller) -> ApiKey:
    """A caller who may send raw stage inputs."""
    if not key.debug:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this key may not send raw stage inputs")
    return key


Debugger = Annotated[ApiKey, Depends(debugger)]


async def observer(key: Known) -> ApiKey:
    """Who may read /metrics: Prometheus by a key of its own, and engineers."""
    if not (key.metrics or key.debug):
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "this key may not read /metrics")
    return key


Observer = Annotated[ApiKey, Depends(observer)]


async def operator(key: Known) -> ApiKey:
    """Who may see how all of it fares, whosever the generations are: an admin key, and no other."""
    if not key.admin:
        raise Problem(
            HTTPStatus.FORBIDDEN, "forbidden", "this is no admin key; API_KEYS names one as name:sha256hex:admin"
        )
    return key


Operator = Annotated[ApiKey, Depends(operator)]
