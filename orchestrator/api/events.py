"""GET /api/generations/{id}/events: the same as the progress socket, as server-sent events.

The id of each is its number, so a browser's EventSource goes on where it was by itself; 204 tells it that the
generation has ended and all has been told.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from orchestrator.api.auth import Caller
from orchestrator.api.document import REFERENCE, WITH_KEY, problems
from orchestrator.api.follow import MAX_SEQ, SEND_SECONDS, LivedLongEnough, Seq, follow
from orchestrator.api.owned import owned
from orchestrator.api.services import Injected, Services

log = structlog.get_logger()

router = APIRouter(tags=["generations"])

EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "Its number"},
        "event": {"type": "string", "description": "Its type"},
        "data": {
            "type": "string",
            "description": "The message of the socket, as JSON",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": REFERENCE.format(model="ProgressEvent")},
        },
    },
}


class EventStream(StreamingResponse):
    """Lets go of a client that does not read. FastAPI's own class is for routes that are generators."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_soon)
        except TimeoutError:
            log.info("a follower reads too slowly", path=scope["path"])


@router.get(
    "/api/generations/{generation_id}/events",
    response_class=EventStream,
    responses={
        HTTPStatus.OK.value: {"content": {"text/event-stream": {"schema": EVENT}}},
        HTTPStatus.NO_CONTENT.value: {"description": "It has ended, and nothing is left to tell"},
        **problems(*WITH_KEY, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
async def stream(
    generation_id: str,
    services: Injected,
    key: Caller,
    after: Seq = 0,
    last_event_id: Annotated[int, Header(ge=0, le=MAX_SEQ)] = 0,
) -> Response:
    """Every event after `Last-Event-ID` or `after`, and each new one at once."""
    seq = max(after, last_event_id)  # a browser that comes again repeats the query of its first visit
    generation = await owned(services, generation_id, key.name)
    if generation.state.final and seq >= generation.last_seq:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx in front of us
    return EventStream(_told(services, generation_id, seq), headers=headers)


async def _told(services: Services, generation_id: str, seq: int) -> AsyncIterator[bytes]:
    with suppress(LivedLongEnough):
        async with aclosing(follow(services, generation_id, seq)) as followed:
            async for message in followed:
                if message is None:
                    yield KEEPALIVE_COMMENT
                    continue
                yield format_sse_event(data_str=message.text, event=message.type, id=str(message.seq))
