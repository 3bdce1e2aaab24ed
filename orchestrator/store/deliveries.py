"""Queries of `deliveries` (outgoing webhooks) and `uploads`."""

import re

from orchestrator.store.database import Connection
from orchestrator.store.rows import Delivery, ListedDelivery, Upload

_ID = re.compile(r"msg_[0-9a-f]{32}")


async def insert(connection: Connection, *, delivery_id: str, generation_id: str) -> None:
    await connection.execute("INSERT INTO deliveries (id, generation_id) VALUES (%s, %s)", (delivery_id, generation_id))


async def get(connection: Connection, delivery_id: str) -> Delivery | None:
    cursor = connection.cursor(row_factory=Delivery.factory)
    await cursor.execute("SELECT * FROM deliveries WHERE id = %s", (delivery_id,))
    return await cursor.fetchone()


async def newest(
    connection: Connection, owner: str, *, state: str | None, before: int | None, limit: int
) -> list[ListedDelivery]:
    """The owner's deliveries, those of the newest generation first, below the number `before`."""
    cursor = connection.cursor(row_factory=ListedDelivery.factory)
    await cursor.execute(
        "SELECT deliveries.*, generations.number FROM deliveries JOIN generations ON generations.id = generation_id"
        " WHERE owner = %s AND (%s::text IS NULL OR deliveries.state = %s) AND (%s::bigint IS NULL OR number < %s)"
        " ORDER BY number DESC LIMIT %s",
        (owner, state, state, before, before, limit),
    )
    return await cursor.fetchall()


async def lock(connection: Connection, delivery_id: str, *, owner: str) -> Delivery | None:
    """One of the owner's, that nobody else changes until the transaction ends."""
    if not _ID.fullmatch(delivery_id):
        return None
    cursor = connection.cursor(row_factory=Delivery.factory)
    await cursor.execute(
        "SELECT deliveries.* FROM deliveries JOIN generations ON generations.id = generation_id"
        " WHERE deliveries.id = %s AND owner = %s FOR UPDATE OF deliveries",
        (delivery_id, owner),
    )
    return await cursor.fetchone()


async def reopen(connection: Connection, delivery_id: str) -> Delivery:
    """`pending` once more; `tries` goes on counting."""
    cursor = connection.cursor(row_factory=Delivery.factory)
    await cursor.execute(
        "UPDATE deliveries SET state = 'pending', finished_at = NULL WHERE id = %s RETURNING *", (delivery_id,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("the caller holds the lock of a delivery that is not there")
    return row


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
