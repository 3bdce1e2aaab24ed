"""The connection pool, shared by our rows and by procrastinate's."""

import math
import re
import select
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Notify
from psycopg.abc import PQGen
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[Any]
T = TypeVar("T")

_ID = re.compile(r"[0-9a-f]{32}")


def is_id(text: str) -> bool:
    """Could this be the id of a row? Postgres would refuse some texts, such as one with NUL, with an error."""
    return _ID.fullmatch(text) is not None


CONNECT_SECONDS = 5
STATEMENT_SECONDS = 20
"""Every statement of ours is short; a lock that is held longer than this is a fault."""
ANSWER_SECONDS = STATEMENT_SECONDS + 2.0
"""The server has given a statement up by then; if we have heard nothing, there is nobody at the other end."""
ALIVE_SECONDS = 2.0
"""For an idle connection to say that it lives, before it is used again."""
FRESH_SECONDS = 1.0
"""One that has just answered is not asked, unless something stands in its socket: a server that goes says so there, or
closes it. To ask before every use costs a tenth of what accepting a generation does.
"""
LISTEN_SECONDS = 3600.0
"""Of one wait for notices, where the caller names no time."""


class BoundedConnection(AsyncConnection[Any]):
    """Waits for no answer longer than `answer_seconds`.

    A peer that vanished without a word (a half-open connection) would otherwise be waited for as long as the kernel
    keeps the socket: a quarter of an hour, or for ever.
    """

    answer_seconds = ANSWER_SECONDS
    answered_at = -math.inf
    """By the clock of `time.monotonic`."""

    @property
    def fresh(self) -> bool:
        if time.monotonic() - self.answered_at > FRESH_SECONDS:
            return False
        socket = select.poll()
        socket.register(self.fileno(), select.POLLIN)
        return not socket.poll(0)

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109  psycopg's own signature
        """OperationalError after the time; the connection is closed then."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            answer = await super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001  what `timeout` raises has no public name
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer in {self.answer_seconds:g} s") from error
        self.answered_at = time.monotonic()
        return answer

    async def notifies(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  psycopg's own signature
        stop_after: int | None = None,
    ) -> AsyncGenerator[Notify]:
        """Silence is normal here, so it has its own time."""
        seconds = LISTEN_SECONDS if timeout is None else timeout
        async for notice in super().notifies(timeout=seconds, stop_after=stop_after):
            yield notice


async def _require_alive(connection: BoundedConnection) -> None:
    if connection.fresh:
        return
    usual, connection.answer_seconds = connection.answer_seconds, min(ALIVE_SECONDS, connection.answer_seconds)
    try:
        await AsyncConnectionPool.check_connection(connection)
    finally:
        connection.answer_seconds = usual


class Database:
    """One pool. Open it before use, close it at the end."""

    def __init__(self, url: str, *, connections: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        async def configure(connection: BoundedConnection) -> None:
            connection.answer_seconds = answer_seconds
            await connection.set_autocommit(True)  # a statement alone is one round trip, not three

        self.pool: AsyncConnectionPool[BoundedConnection] = AsyncConnectionPool(
            url,
            connection_class=BoundedConnection,
            configure=configure,
            min_size=2,
            max_size=connections,
            timeout=CONNECT_SECONDS,
            open=False,
            reconnect_timeout=CONNECT_SECONDS,  # else its waits double, to minutes after the database is back
            check=_require_alive,  # a connection that died with its server is replaced
            kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "orchestrator",
                # a statement that was prepared before a migration fails after it, when it gives whole rows
                "prepare_threshold": None,
                "options": f"-c statement_timeout={STATEMENT_SECONDS}s"
                f" -c idle_in_transaction_session_timeout={STATEMENT_SECONDS}s",
            },
        )

    async def open(self) -> None:
        await self.pool.open(wait=True, timeout=CONNECT_SECONDS)

    async def close(self) -> None:
        await self.pool.close(timeout=CONNECT_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """All or nothing. Lock the generation first, then its stage runs: one order, so no deadlock."""
        async with self.pool.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Connection]:
        """For statements that stand alone: each commits by itself."""
        async with self.pool.connection() as connection:
            yield connection

    async def ensure_ready(self) -> None:
        """Raises psycopg.Error when the database does not answer, or was not migrated."""
        async with self.pool.connection() as connection:
            await connection.execute("SELECT 1 FROM generations LIMIT 1")
