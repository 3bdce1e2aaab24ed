"""A socket that nobody waits for any more is closed, at whatever moment its owner was cancelled."""

import asyncio
import base64
import contextlib
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared.comfy.socket import EventSocket, SocketClosedError

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
SECONDS = 5.0


class SlowServer:
    """Shakes hands when it may, says nothing after that, answers no close frame, and knows when its peer has left."""

    def __init__(self) -> None:
        self.asked, self.may_answer, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.may_answer.wait()
        key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()  # to the end of the stream
        self.left.set()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[SlowServer]:
    made = SlowServer()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield made
    gc.collect()  # one that was forgotten open is a ResourceWarning here, and fails the test


async def within(wait: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(SECONDS):
        await wait()


async def opened(server: SlowServer) -> EventSocket:
    return await EventSocket.open(server.url, "client", timeout_seconds=SECONDS)


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancel_during_the_handshake_leaves_no_socket_open(server: SlowServer) -> None:
    task: asyncio.Task[object] = asyncio.create_task(opened(server))
    await within(server.asked.wait)
    await cancelled(task)
    server.may_answer.set()  # the handshake succeeds when nobody wants the socket any more
    await within(server.left.wait)


async def test_a_cancel_while_it_waits_for_the_close_frame_closes_it_at_once(server: SlowServer) -> None:
    server.may_answer.set()
    socket = await opened(server)
    task: asyncio.Task[object] = asyncio.create_task(socket.close())
    await asyncio.sleep(0)  # it has sent its close frame, and waits
    await cancelled(task)
    await within(server.left.wait)


async def test_one_that_the_server_never_says_goodbye_to_is_closed_by_force(server: SlowServer) -> None:
    server.may_answer.set()
    socket = await opened(server)
    await within(socket.close)
    await within(server.left.wait)
    with pytest.raises(SocketClosedError):
        await socket.next(SECONDS)
    await within(socket.close)  # once more is no harm


async def test_a_handshake_that_takes_too_long_is_a_closed_socket(server: SlowServer) -> None:
    with pytest.raises(SocketClosedError, match="no WebSocket: "):
        await EventSocket.open(server.url, "client", timeout_seconds=0.2)
    server.may_answer.set()
    await within(server.left.wait)


async def test_nobody_listens() -> None:
    with pytest.raises(SocketClosedError, match="no WebSocket: ConnectionRefusedError"):
        await EventSocket.open("http://127.0.0.1:9", "client", timeout_seconds=SECONDS)
