"""Queries of `events`: what a follower of a generation is told, numbered 1, 2, 3 … within it."""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from orchestrator.store.database import Connection
from orchestrator.store.rows import Event

CHANNEL = "generation_events"
"""NOTIFY channel; the payload is the id of the generation that has a new event."""


Told = tuple[str, dict[str, Any]]
"""The type of an event, and its data."""


async def append(connection: Connection, generation_id: str, *told: Told) -> None:
    """The caller holds the lock of the generation, so numbers have no holes and appear in order."""
    await connection.execute(
        "WITH next AS (UPDATE generations SET last_seq = last_seq + %s WHERE id = %s"
        " RETURNING id, last_seq - %s AS seq),"
        " told AS (INSERT INTO events (generation_id, seq, at, type, data)"
        " SELECT id, next.seq + item.seq, clock_timestamp(), type, data"
        " FROM next, unnest(%s::text[], %s::jsonb[]) WITH ORDINALITY AS item (type, data, seq) RETURNING generation_id)"
        " SELECT pg_notify(%s, generation_id) FROM told LIMIT 1",
        (len(told), generation_id, len(told), *columns(told), CHANNEL),
    )


def columns(told: Sequence[Told]) -> tuple[list[str], list[Jsonb]]:
    return [kind for kind, _ in told], [Jsonb(data) for _, data in told]


async def last_number(connection: Connection, generation_id: str, name: str) -> tuple[float, float] | None:
    """The newest number of that name that followers were told, and its age in seconds; None when there is none."""
    cursor = await connection.execute(
        "SELECT (data ->> %s)::float8, EXTRACT(epoch FROM clock_timestamp() - at)::float8 FROM events"
        " WHERE generation_id = %s AND data ? %s ORDER BY seq DESC LIMIT 1",
        (name, generation_id, name),
    )
    row = await cursor.fetchone()
    return (float(row[0]), float(row[1])) if row else None


async def page(connection: Connection, generation_id: str, seq: int, *, limit: int) -> tuple[bool, list[Event]]:
    """Has the generation ended, or never been? And its events after number `seq`: an end that is seen has its event."""
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "SELECT finished_at IS NOT NULL AS ended, told.* FROM generations LEFT JOIN LATERAL"
        " (SELECT seq, at, type, data FROM events WHERE generation_id = id AND seq > %s ORDER BY seq LIMIT %s) AS told"
        " ON true WHERE id = %s ORDER BY seq",
        (seq, limit, generation_id),
    )
    rows = await cursor.fetchall()
    return all(row["ended"] for row in rows), [Event.read(row) for row in rows if row["seq"] is not None]
