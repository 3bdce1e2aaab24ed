"""Forward-only migrations: plain SQL, applied in order, written down in one ledger."""

from collections.abc import Callable, Iterable
from importlib.resources import files

import psycopg

LOCK = 0x4D49564F  # "MIVO": one migration at a time, however many replicas start together
LOCK_SECONDS = 60

Step = tuple[str, bytes]
"""Name in the ledger, and SQL (nothing, when it is only to be written down)."""
Source = Callable[[set[str]], Iterable[Step]]
"""What has been applied -> what is left to do."""


async def migrate(url: str, *sources: Source) -> list[str]:
    """Bring the database up to this code, in one transaction; the names of what was applied."""
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        found = await connection.execute("SELECT name FROM migrations")
        done = {str(row[0]) for row in await found.fetchall()}
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
