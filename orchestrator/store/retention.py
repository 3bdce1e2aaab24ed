"""What is old is deleted, in small transactions that any number of replicas may run at once."""

from orchestrator.store.database import Connection

BATCH = 200
"""Rows of one transaction; those of a generation that hang on it go with it."""


async def delete_generations(connection: Connection, *, days: int) -> int:
    """Generations that ended so long ago, with stage runs, events, delivery and idempotency key; how many went."""
    cursor = await connection.execute(
        "DELETE FROM generations WHERE id IN (SELECT id FROM generations"
        " WHERE finished_at < clock_timestamp() - make_interval(days => %s)"
        " ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED)",
        (days, BATCH),
    )
    return cursor.rowcount


async def delete_uploads(connection: Connection, *, days: int) -> int:
    """Upload slots that were made so long ago; how many went. The objects live by the bucket's own rules."""
    cursor = await connection.execute(
        "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads"
        " WHERE created_at < clock_timestamp() - make_interval(days => %s)"
        " LIMIT %s FOR UPDATE SKIP LOCKED)",
        (days, BATCH),
    )
    return cursor.rowcount
