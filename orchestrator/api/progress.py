"""WS /api/generations/{id}/progress: the events of a generation, live, from any replica.

`?after=SEQ` goes on after the last number that the client has seen. Every message is one JSON object:
`{"seq", "at", "type", ...}`; heartbeats are `{"type": "heartbeat"}` and have no number.
"""

import asyncio
from contextlib import aclosing

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from orchestrator.api.auth import SUBPROTOCOL, Token, caller, known
from orchestrator.api.errors import Problem
from orchestrator.api.follow import SEND_SECONDS, LivedLongEnough, Seq, follow
from orchestrator.api.owned import owned
from orchestrator.api.services import Injected, Services

log = structlog.get_logger()

router = APIRouter()

HEARTBEAT = '{"type":"heartbeat"}'
NORMAL, GO_ELSEWHERE = 1000, 1012
"""Close codes: the generation has ended; come again (with `?after=`)."""


@router.websocket("/api/generations/{generation_id}/progress")
async def progress(
    socket: WebSocket,
    generation_id: str,
    services: Injected,
    token: Token,
    after: Seq = 0,
) -> None:
    try:
        key = await caller(await known(token, services))
        await owned(services, generation_id, key.name)
    except Problem as problem:
        await socket.send_denial_response(problem.response())
        return
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    gone = asyncio.create_task(_until_gone(socket))
    stream = asyncio.create_task(_stream(socket, generation_id, services, after))
    try:
        await asyncio.wait({gone, stream}, return_when=asyncio.FIRST_COMPLETED)
        if stream.done():
            code = await stream
            await socket.close(code)
            log.info("progress socket", generation_id=generation_id, caller=key.name, code=code)
    except (WebSocketDisconnect, TimeoutError):
        return  # it left, or is too slow to be told so; it may come back with ?after=
    finally:
        for task in (gone, stream):
            task.cancel()
        await asyncio.gather(gone, stream, return_exceptions=True)


async def _until_gone(socket: WebSocket) -> None:
    """Clients have nothing to say; reading is how their leaving is noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _stream(socket: WebSocket, generation_id: str, services: Services, seq: int) -> int:
    """Send events until the last one, or until the socket has lived long enough; the close code."""
    try:
        async with aclosing(follow(services, generation_id, seq)) as followed:
            async for message in followed:
                async with asyncio.timeout(SEND_SECONDS):
                    await socket.send_text(HEARTBEAT if message is None else message.text)
    except LivedLongEnough:
        return GO_ELSEWHERE
    return NORMAL
