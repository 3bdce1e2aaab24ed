"""One canonical log line and one metric per request; the last net under unexpected errors."""

import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.errors import problem_of
from orchestrator.metrics import Metrics

log = structlog.get_logger()

QUIET = {"/healthz", "/readyz", "/metrics"}


class Observe:
    """ASGI middleware, outside of everything else."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid4().hex[:16])
        started = time.monotonic()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            log.exception("request failed unexpectedly", route=_route(scope))
            if status:
                raise  # half an answer is out; the connection has to break
            await problem_of(error).response()(scope, receive, watched)
        finally:
            seconds = time.monotonic() - started
            self._metrics.requests.labels(scope["method"], _route(scope), status).observe(seconds)
            if scope["path"] not in QUIET:
                log.info(
                    "request", method=scope["method"], route=_route(scope), status=status, seconds=round(seconds, 4)
                )


def _route(scope: Scope) -> str:
    """The template of the path: it has few values, and no ids or tokens."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
