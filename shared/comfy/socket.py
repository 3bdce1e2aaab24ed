"""ComfyUI's event stream: websocket-client in one thread, joined to asyncio by a queue."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
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

    The thread owns the connection: it shakes hands, reads, and closes. So a cancel, at whatever moment it comes,
    leaves none open.
    """

    def __init__(self, address: str, timeout_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._events: asyncio.Queue[Event | SocketClosedError] = asyncio.Queue()
        self._lock = threading.Lock()
        self._connection: websocket.WebSocket | None = None
        self._transport: socket.socket | None = None
        self._unwanted = False
        self._thread = threading.Thread(
            target=self._live, args=(address, timeout_seconds), name="comfy-events", daemon=True
        )
        self._thread.start()

    @classmethod
    async def open(cls, base_url: str, client_id: str, *, timeout_seconds: float) -> "EventSocket":
        """A connected socket; SocketClosedError when the server does not answer in time."""
        url = urlsplit(base_url)
        scheme = "wss" if url.scheme == "https" else "ws"
        made = cls(f"{scheme}://{url.netloc}{url.path.rstrip('/')}/ws?clientId={quote(client_id)}", timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds):
                await made._opened
        except (OSError, websocket.WebSocketException) as error:
            made._let_go()
            raise SocketClosedError(f"no WebSocket: {type(error).__name__}") from error
        except BaseException:
            made._let_go()
            raise
        return made

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
        try:
            if self._connection is not None:
                with contextlib.suppress(OSError, websocket.WebSocketException):  # broken already: no goodbye
                    self._connection.send_close()
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        finally:
            self._let_go()
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def _let_go(self) -> None:
        """Have the thread close the connection: the one it reads, or the one it is about to have."""
        with self._lock:
            self._unwanted = True
            if self._transport is not None:
                with contextlib.suppress(OSError):  # not connected any more
                    self._transport.shutdown(socket.SHUT_RDWR)  # wakes the thread

    def _live(self, address: str, timeout_seconds: float) -> None:
        try:
            connection = websocket.create_connection(
                address,
                timeout=timeout_seconds,
                enable_multithread=True,  # `close` sends while the thread reads
                http_no_proxy=["*"],  # ComfyUI is on loopback or inside the same network
            )
        except (OSError, websocket.WebSocketException) as error:
            self._tell(self._answer, error)
            return
        with contextlib.closing(connection.sock) as transport:  # type: ignore[type-var]  # connected: there is one
            connection.settimeout(None)  # silence is judged by the follower, not by the transport
            with self._lock:
                if self._unwanted:
                    return
                self._connection, self._transport = connection, transport
            self._tell(self._answer, None)
            self._read(connection)

    def _read(self, connection: websocket.WebSocket) -> None:
        try:
            while True:
                opcode, payload = connection.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return self._hand_over(SocketClosedError("the server closed the WebSocket"))
                event = parse(payload.decode()) if opcode == websocket.ABNF.OPCODE_TEXT else None
                if event is not None:
                    self._hand_over(event)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self._hand_over(SocketClosedError(f"the WebSocket broke: {type(error).__name__}"))

    def _hand_over(self, item: Event | SocketClosedError) -> None:
        self._tell(self._events.put_nowait, item)

    def _tell(self, listener: Callable[..., None], what: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(listener, what)

    def _answer(self, error: Exception | None) -> None:
        if self._opened.done():
            return  # cancelled: nobody waits any more
        if error is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(error)
