"""A TCP relay that fails on command: what a network does to two parts that talk."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

CHUNK = 1 << 16
LATENCY_SECONDS = 0.4
"""Added to every chunk in either direction."""
BYTES_PER_SECOND = 200_000
RST = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a reset, not a polite end
REFUSAL_SECONDS = 0.2
"""Before a refusal: RunPod's SDK asks again at once after an error (facts/runpod.md, fact 9), and burns the CPU."""
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Trouble(StrEnum):
    LATENCY = "latency"
    THROTTLE = "throttle"
    RESET = "reset"
    """Open connections are reset, and new ones as soon as they say something."""
    HALF_OPEN = "half-open"
    """Open and new connections go silent, for good: also after the trouble is over."""
    UNAVAILABLE = "503"
    """Every request is answered 503."""


@dataclass(eq=False)
class _Connection:
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    silent: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            with suppress(OSError):  # gone already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            writer.transport.abort()


class FaultProxy:
    """Listens on a port of its own while the block lasts. Set `upstream` before the first connection comes."""

    def __init__(self) -> None:
        self.upstream: tuple[str, int] | str = ""
        """Host and port, or the path of a unix socket."""
        self._trouble: Trouble | None = None
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.hit = 0
        """Connections that trouble has met."""
        self.swallowed = 0
        """Bytes that went into silence."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.reset()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks)

    def break_with(self, trouble: Trouble) -> None:
        """From now on until `heal`; it replaces the trouble before."""
        self._trouble = trouble
        self.hit += len(self._open)
        for connection in list(self._open):
            if trouble is Trouble.HALF_OPEN:
                connection.silent = True
            elif trouble in {Trouble.RESET, Trouble.UNAVAILABLE}:
                connection.reset()

    def heal(self) -> None:
        """New connections are sound again; what has gone silent stays silent."""
        self._trouble = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection([writer], silent=self._trouble is Trouble.HALF_OPEN)
        self.hit += self._trouble is not None
        self._open.add(connection)
        try:
            if self._trouble in {Trouble.RESET, Trouble.UNAVAILABLE}:
                await self._refuse(connection, reader, writer)
            elif connection.silent:
                await _pump(self, connection, reader, None)
            else:
                await self._relay(connection, reader, writer)
        except OSError:  # either end went away, which is what this relay is for
            await asyncio.sleep(REFUSAL_SECONDS if len(connection.writers) == 1 else 0)  # nobody there: see above
            connection.reset()
        finally:
            self._open.discard(connection)
            for one in connection.writers:
                one.close()
                with suppress(OSError):  # it was reset
                    await one.wait_closed()

    async def _refuse(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        unavailable = self._trouble is Trouble.UNAVAILABLE
        await reader.read(CHUNK)
        await asyncio.sleep(REFUSAL_SECONDS)
        if not unavailable:
            connection.reset()
            return
        writer.write(UNAVAILABLE)
        await writer.drain()

    async def _relay(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.upstream, str):
            there, back = await asyncio.open_unix_connection(self.upstream)
        else:
            there, back = await asyncio.open_connection(*self.upstream)
        connection.writers.append(back)
        await asyncio.gather(_pump(self, connection, reader, back), _pump(self, connection, there, writer))

    async def delay(self, size: int) -> None:
        """What the trouble of the moment costs a chunk of so many bytes."""
        if self._trouble is Trouble.LATENCY:
            await asyncio.sleep(LATENCY_SECONDS)
        elif self._trouble is Trouble.THROTTLE:
            await asyncio.sleep(size / BYTES_PER_SECOND)


async def _pump(
    proxy: FaultProxy, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter | None
) -> None:
    """One direction, until its source ends; then the other direction's sink is closed, and so that ends too. Of a
    silent connection the caller hears not even the end.
    """
    try:
        while chunk := await source.read(CHUNK):
            if connection.silent or sink is None:
                proxy.swallowed += len(chunk)
                continue
            await proxy.delay(len(chunk))
            if not connection.silent:
                sink.write(chunk)
                await sink.drain()
    finally:
        for writer in connection.writers:
            if not (connection.silent and writer is sink is connection.writers[0]):
                writer.close()
