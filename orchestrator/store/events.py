"""Queries of `events`: what a follower of a generation is told, numbered 1, 2, 3 … within it."""

from typing import Any

from psycopg.types.json import Jsonb

from orchestrator.store.database import Connection
from orchestrator.store.rows import Event

CHANNEL = "generation_events"
"""NOTIFY channel; the payload is the id of the generation that has a new event."""


async def append(connection: Connection, generation_id: str, kind: str, data: dict[str, Any]) -> None:
    """The caller holds the lock of the generation, so numbers have no holes and appear in order."""
    await connection.execute(
        "WITH next AS (UPDATE generations SET last_seq = last_seq + 1 WHERE id = %s RETURNING id, last_seq)"
        " INSERT INTO events (generation_id, seq, at, type, data)"
        " SELECT id, last_seq, clock_timestamp(), %s, %s FROM next",
        (generation_id, kind, Jsonb(data)),
    )
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, generation_id))


async def last_number(connection: Connection, generation_id: str, name: str) -> tuple[float, float] | None:
    """The newest number of that name that followers were told, and its age in seconds; None when there is none."""
    cursor = await connection.execute(
        "SELECT (data ->> %s)::float8, EXTRACT(epoch FROM clock_timestamp() - at)::float8 FROM events"
        " WHERE generation_id = %s AND data ? %s ORDER BY seq DESC LIMIT 1",
        (name, generation_id, name),
    )
    row = await cursor.fetchone()
    return (float(row[0]), float(row[1])) if row else None


async def after(connection: Connection, generation_id: str, seq: int, *, limit: int) -> list[Event]:
    cursor = connection.cursor(row_factory=Event.factory)
    await cursor.execute(
        "SELECT seq, at, type, data FROM events WHERE generation_id = %s AND seq > %s ORDER BY seq LIMIT %s",
        (generation_id, seq, limit),
    )
    return await cursor.fetchall()
