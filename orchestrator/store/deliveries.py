"""Queries of `deliveries` (outgoing webhooks) and `uploads`."""

from orchestrator.store.database import Connection
from orchestrator.store.rows import Delivery, Upload


async def insert(connection: Connection, *, delivery_id: str, generation_id: str) -> None:
    await connection.execute("INSERT INTO deliveries (id, generation_id) VALUES (%s, %s)", (delivery_id, generation_id))


async def get(connection: Connection, delivery_id: str) -> Delivery | None:
    cursor = connection.cursor(row_factory=Delivery.factory)
    await cursor.execute("SELECT * FROM deliveries WHERE id = %s", (delivery_id,))
    return await cursor.fetchone()


async def answered(connection: Connection, delivery_id: str, *, state: str, answer: str) -> None:
    """Count a try, and what came of it: `pending` (to be tried again), `delivered` or `dead`."""
    await connection.execute(
        "UPDATE deliveries SET tries = tries + 1, state = %s, last_answer = %s,"
        " finished_at = CASE WHEN %s <> 'pending' THEN clock_timestamp() END WHERE id = %s AND state = 'pending'",
        (state, answer[:300], state, delivery_id),
    )


async def insert_upload(
    connection: Connection, *, upload_id: str, owner: str, key: str, media_type: str, size: int
) -> None:
    await connection.execute(
        "INSERT INTO uploads (id, owner, key, media_type, bytes) VALUES (%s, %s, %s, %s, %s)",
        (upload_id, owner, key, media_type, size),
    )


async def get_upload(connection: Connection, upload_id: str, *, owner: str) -> Upload | None:
    cursor = connection.cursor(row_factory=Upload.factory)
    await cursor.execute("SELECT * FROM uploads WHERE id = %s AND owner = %s", (upload_id, owner))
    return await cursor.fetchone()
