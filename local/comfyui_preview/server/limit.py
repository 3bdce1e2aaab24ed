"""Refuses bodies above ComfyUI's limit (--max-upload-size, 100 MiB) while they arrive."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 104857600
_REFUSAL = PlainTextResponse(f"Maximum request body size {MAX_BODY} exceeded.", 413)


class _TooLargeError(Exception):
    pass


class BodyLimit:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise _TooLargeError
            return message

        length = int(dict(scope["headers"]).get(b"content-length", b"0"))
        if length > MAX_BODY:
            await _REFUSAL(scope, receive, send)
            return
        try:
            await self._app(scope, counted, send)
        except _TooLargeError:
            await _REFUSAL(scope, receive, send)
