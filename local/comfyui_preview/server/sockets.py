"""The WebSocket side: who hears which event (facts/comfyui.md section 5)."""

import asyncio
import uuid
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from local.comfyui_preview.engine.queue import PromptQueue

FEATURES = {
    "supports_preview_metadata": True,
    "max_upload_size": 104857600,
    "extension": {"manager": {"supports_v4": True}},
    "node_replacements": True,
    "assets": False,
}


class Sockets:
    """Events from any thread go to the sockets of the loop in which `bind` was called.

    A real ComfyUI keeps one socket per client id. When a new one opens before the old one closes, the closing of the
    old one unregisters the new one, which then hears nothing more. Clients must live with that, so it is the same here.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outboxes: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    def bind(self) -> None:
        self._loop = asyncio.get_running_loop()

    def send(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """To one client, or to everybody. Thread-safe; never waits."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, {"type": event, "data": data}, client_id)

    def _deliver(self, message: dict[str, Any], client_id: str | None) -> None:
        if client_id is None:
            for outbox in self._outboxes.values():
                outbox.put_nowait(message)
        elif client_id in self._outboxes:
            self._outboxes[client_id].put_nowait(message)

    async def serve(self, websocket: WebSocket, queue: PromptQueue) -> None:
        """One connection: greets as ComfyUI does, then passes events on until the client leaves."""
        await websocket.accept()
        client_id = websocket.query_params.get("clientId") or uuid.uuid4().hex
        outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outboxes[client_id] = outbox
        status = {"status": {"exec_info": {"queue_remaining": queue.remaining}}, "sid": client_id}
        outbox.put_nowait({"type": "status", "data": status})
        node = queue.running_node(client_id)
        if node is not None:
            outbox.put_nowait({"type": "executing", "data": {"node": node}})
        writer = asyncio.create_task(self._write(websocket, outbox))
        try:
            await self._read(websocket, outbox)
        finally:
            self._outboxes.pop(client_id, None)  # first: a client that closed and came back must not lose its new one
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, websocket: WebSocket, outbox: asyncio.Queue[dict[str, Any]]) -> None:
        first = True
        while True:
            try:
                said = await websocket.receive_json()
            except WebSocketDisconnect:
                return
            except ValueError:  # a client's noise is not answered
                continue
            if first and isinstance(said, dict) and said.get("type") == "feature_flags":
                outbox.put_nowait({"type": "feature_flags", "data": FEATURES})
            first = False

    async def _write(self, websocket: WebSocket, outbox: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            await websocket.send_json(await outbox.get())
