"""The connection pool, shared by our rows and by procrastinate's."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[Any]

_ID = re.compile(r"[0-9a-f]{32}")


def is_id(text: str) -> bool:
    """Could this be the id of a row? Postgres would refuse some texts, such as one with NUL, with an error."""
    return _ID.fullmatch(text) is not None


CONNECT_SECONDS = 5
STATEMENT_SECONDS = 20
"""Every statement of ours is short; a lock that is held longer than this is a fault."""


class Database:
    """One pool. Open it before use, close it at the end."""

    def __init__(self, url: str, *, connections: int) -> None:
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=2,
            max_size=connections,
            timeout=CONNECT_SECONDS,
            open=False,
            reconnect_timeout=CONNECT_SECONDS,  # else its waits double, to minutes after the database is back
            check=AsyncConnectionPool.check_connection,  # a connection that died with its server is replaced
            kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "orchestrator",
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

    async def ensure_ready(self) -> None:
        """Raises psycopg.Error when the database does not answer, or was not migrated."""
        async with self.pool.connection() as connection:
            await connection.execute("SELECT 1 FROM generations LIMIT 1")
