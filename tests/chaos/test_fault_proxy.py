"""The proxy does what it says, against a real server that echoes."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Self

import pytest

from tests.chaos import proxy as module
from tests.chaos.proxy import FaultProxy, Trouble


class Echo(BaseRequestHandler):
    def handle(self) -> None:
        try:
            while chunk := self.request.recv(1 << 16):
                self.request.sendall(chunk)
        except ConnectionError:
            return  # the proxy resets it


class EchoServer(ThreadingTCPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.talking: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.talking.append(request)
        super().process_request(request, client_address)

    def cut(self) -> None:
        """The server hangs up on everybody."""
        for one in self.talking:
            with suppress(OSError):  # it has ended
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
async def proxy(echo: EchoServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy() as made:
        made.upstream = ("127.0.0.1", int(echo.server_address[1]))
        yield made


class Client:
    def __init__(self, proxy: FaultProxy) -> None:
        host, _, port = proxy.address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=5)

    async def ask(self, text: bytes = b"hello") -> bytes:
        def talk() -> bytes:
            self._socket.sendall(text)
            return self._socket.recv(1 << 16)

        return await asyncio.to_thread(talk)

    async def hears_nothing(self) -> bool:
        self._socket.settimeout(0.3)
        try:
            await self.ask()
        except TimeoutError:
            return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


async def test_it_relays(proxy: FaultProxy) -> None:
    with Client(proxy) as client:
        assert await client.ask() == b"hello"


async def test_a_reset_hits_open_and_new_connections_until_it_is_healed(proxy: FaultProxy) -> None:
    with Client(proxy) as before:
        assert await before.ask() == b"hello"
        proxy.break_with(Trouble.RESET)
        with pytest.raises(ConnectionError):
            await before.ask()
    with Client(proxy) as during, pytest.raises(ConnectionError):
        await during.ask()
    proxy.heal()
    with Client(proxy) as after:
        assert await after.ask() == b"hello"
    assert proxy.hit == 2


async def test_half_open_is_silence_for_good(proxy: FaultProxy, echo: EchoServer) -> None:
    with Client(proxy) as before:
        assert await before.ask() == b"hello"
        proxy.break_with(Trouble.HALF_OPEN)
        with Client(proxy) as during:
            assert await before.hears_nothing()
            assert await during.hears_nothing()
            proxy.heal()
            echo.cut()
            assert await before.hears_nothing()
            assert await during.hears_nothing()
    with Client(proxy) as after:
        assert await after.ask() == b"hello"


async def test_unavailable_is_http_503(proxy: FaultProxy) -> None:
    proxy.break_with(Trouble.UNAVAILABLE)
    with Client(proxy) as client:
        assert (await client.ask(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("trouble", [Trouble.LATENCY, Trouble.THROTTLE])
async def test_slow_is_slow_and_nothing_else(proxy: FaultProxy, trouble: Trouble) -> None:
    clock, text = asyncio.get_running_loop(), b"x" * (module.CHUNK // 2)
    with Client(proxy) as client:
        proxy.break_with(trouble)
        began = clock.time()
        assert (await client.ask(text)) in text
        there_and_back = {Trouble.LATENCY: 2 * module.LATENCY_SECONDS, Trouble.THROTTLE: 1e4 / module.BYTES_PER_SECOND}
        assert clock.time() - began >= there_and_back[trouble] * 0.9


async def test_the_upstream_may_be_down(proxy: FaultProxy) -> None:
    proxy.upstream = ("127.0.0.1", 1)
    with Client(proxy) as client, pytest.raises(ConnectionError):
        await client.ask()
