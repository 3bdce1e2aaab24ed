"""A TCP relay in front of a server, which can cut WebSockets that run through it."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 1 << 16


class Proxy:
    """Listens on a port of its own while the block lasts. `sockets`: how many WebSockets have been opened."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self.sockets = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> int:
        """Reset every WebSocket that is open now, towards both ends; says how many there were."""
        for writer in self._open:
            writer.transport.abort()
        return len(self._open) // 2

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.read(CHUNK)
            there, back = await asyncio.open_connection(*self._upstream)
        except OSError:  # either end went away first, which is what a relay is for
            writer.transport.abort()
            return
        pair = {writer, back}
        if head.startswith(b"GET /ws"):
            self.sockets += 1
            self._open |= pair
        back.write(head)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._open -= pair


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # a cut connection ends here, and that ends its other half
        while chunk := await source.read(CHUNK):
            sink.write(chunk)
            await sink.drain()
    sink.close()
