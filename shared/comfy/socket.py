"""ComfyUI's event stream: websocket-client in one thread, joined to asyncio by a queue."""

import asyncio
import contextlib
import socket
import threading
from urllib.parse import quote, urlsplit

import websocket

from shared.comfy.events import Event, parse

CLOSE_SECONDS = 3.0  # for the server's answer to our close frame


class SocketClosedError(Exception):
    """The stream ended, or never began."""


class EventSocket:
    """One open WebSocket. It ends once; a lost one is replaced by `open`, after `close` of the old one.

    That order matters: a server that sees the new socket of a client before the end of its old one unregisters
    the new one with the old, and it stays dead (facts/comfyui.md section 5).
    """

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        if connection.sock is None:
            raise SocketClosedError("the WebSocket is closed")
        self._transport = connection.sock
        self._events: asyncio.Queue[Event | SocketClosedError] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._read, name="comfy-events", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, base_url: str, client_id: str, *, timeout_seconds: float) -> "EventSocket":
        """A connected socket; SocketClosedError when the server does not answer in time."""
        url = urlsplit(base_url)
        scheme = "wss" if url.scheme == "https" else "ws"
        address = f"{scheme}://{url.netloc}{url.path.rstrip('/')}/ws?clientId={quote(client_id)}"
        try:
            connection = await asyncio.to_thread(
                websocket.create_connection,
                address,
                timeout=timeout_seconds,
                enable_multithread=True,  # `close` sends while the thread reads
                http_no_proxy=["*"],  # ComfyUI is on loopback or inside the same network
            )
        except (OSError, websocket.WebSocketException) as error:
            raise SocketClosedError(f"no WebSocket: {type(error).__name__}") from error
        connection.settimeout(None)  # silence is judged by the follower, not by the transport
        return cls(connection)

    async def next(self, timeout_seconds: float) -> Event:
        """The next text message; TimeoutError when none comes, SocketClosedError when none will come."""
        async with asyncio.timeout(timeout_seconds):
            item = await self._events.get()
        if isinstance(item, SocketClosedError):
            self._events.put_nowait(item)  # an ended stream says so every time
            raise item
        return item

    async def close(self) -> None:
        """Close frame, the server's answer, end of the thread; by force when the server does not answer."""
        with contextlib.suppress(OSError, websocket.WebSocketException):  # broken already: nothing to say goodbye to
            self._connection.send_close()
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        with contextlib.suppress(OSError):  # not connected any more
            self._transport.shutdown(socket.SHUT_RDWR)  # wakes a thread that still reads
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        self._transport.close()

    def _read(self) -> None:
        try:
            while True:
                opcode, payload = self._connection.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return self._hand_over(SocketClosedError("the server closed the WebSocket"))
                event = parse(payload.decode()) if opcode == websocket.ABNF.OPCODE_TEXT else None
                if event is not None:
                    self._hand_over(event)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self._hand_over(SocketClosedError(f"the WebSocket broke: {type(error).__name__}"))

    def _hand_over(self, item: Event | SocketClosedError) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, item)
