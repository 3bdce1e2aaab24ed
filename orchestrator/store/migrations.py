"""Forward-only migrations: plain SQL, applied in order, written down in one ledger."""

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

import psycopg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

LOCK = 0x4D49564F  # "MIVO": one migration at a time, however many replicas start together
LOCK_SECONDS = 60
TABLE_LOCK_SECONDS = 0.5
"""For a table that running replicas write to. Less than Postgres' deadlock_timeout of a second: where the two wait for
each other, the migration gives way and begins again, never a user's request."""
GIVE_UP_SECONDS = 120

Step = tuple[str, bytes]
"""Name in the ledger, and SQL (nothing, when it is only to be written down)."""
Source = Callable[[set[str]], Iterable[Step]]
"""What has been applied -> what is left to do."""


async def migrate(url: str, *sources: Source) -> list[str]:
    """Bring the database up to this code, in one transaction; the names of what was applied.

    Begun again while tables are busy; psycopg.errors.LockNotAvailable when they are for two minutes.
    """
    tries = AsyncRetrying(
        stop=stop_after_delay(GIVE_UP_SECONDS),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        retry=retry_if_exception_type((psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)),
        reraise=True,
    )
    return await tries(_migrate, url, sources)


async def _migrate(url: str, sources: Sequence[Source]) -> list[str]:
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        found = await connection.execute("SELECT name FROM migrations")
        done = {str(row[0]) for row in await found.fetchall()}
        await connection.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'")
        steps = [step for source in sources for step in source(done)]
        for name, query in steps:
            if query:
                await connection.execute(query)
            await connection.execute("INSERT INTO migrations (name) VALUES (%s)", (name,))
        return [name for name, _ in steps]


def own_migrations(done: set[str]) -> list[Step]:
    """The numbered files of `orchestrator/sql`."""
    folder = files("orchestrator").joinpath("sql")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name, file.read_bytes()) for file in found if file.name not in done]
