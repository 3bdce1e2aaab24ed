"""Logs of every process: one JSON object a line, or coloured text on a terminal.

What must never be in a log is taken out on the way: values under telling names, and the query of every URL (that is
where presigned URLs carry their signature).
"""

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SECRET_NAMES = frozenset({"prompt", "authorization", "api_key", "token", "secret", "password", "url"})
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?'\"<>]*)\?[^\s'\"<>]*", re.IGNORECASE)
_CALLBACK = re.compile(r"(/api/callbacks/runpod/[0-9a-f]+)/[A-Za-z0-9_-]+")
_BEARER = re.compile(r"(\bbearer[ .])[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_ROW = re.compile(r"(DETAIL: ).*", re.DOTALL)
"""Postgres shows the row that it refuses, and with it what a user asked for."""
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE)

NOISY = {
    "httpx": logging.WARNING,  # a line a request, with its URL
    "procrastinate": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # our own canonical line says more
    "uvicorn.error": logging.INFO,  # below, the headers of WebSockets, and the keys among them
    "botocore": logging.WARNING,
    "websockets": logging.WARNING,
}


def configure(service: str, *, level: str = "info", stream: TextIO = sys.stdout) -> None:
    """Set up structlog and the standard library's logging alike; every line says which service it is of."""

    def named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=()),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        structlog.processors.StackInfoRenderer(),
    ]
    ending: list[Processor]
    if stream.isatty():
        ending = [redact, structlog.dev.ConsoleRenderer()]
    else:
        ending = [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in NOISY.items():
        logging.getLogger(name).setLevel(max(least, root.level))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out what must not be logged, at any depth."""
    return {name: _safe(name, value) for name, value in event.items()}


def _safe(name: str, value: Any) -> Any:
    if name.lower() in SECRET_NAMES:
        return "[removed]"
    match value:
        case str():
            return clean(value)
        case dict():
            return {str(inner): _safe(str(inner), item) for inner, item in value.items()}
        case list() | tuple():
            return [_safe("", item) for item in value]
        case _:
            return value


def clean(text: str) -> str:
    """Text without the queries, passwords and callback tokens of URLs, bearer tokens, and rows of the database."""
    text = _QUERY.sub(r"\1?[removed]", text)
    text = _USERINFO.sub(r"\1[removed]@", text)
    text = _BEARER.sub(r"\1[removed]", text)
    text = _ROW.sub(r"\1[removed]", text)
    return _CALLBACK.sub(r"\1/[removed]", text)
