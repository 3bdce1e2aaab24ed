"""Queries of `rate_limits`, and the lock under which one key's generations are counted and made.

All of it lives in Postgres and goes by its clock: however many replicas there are, a key has one bucket.
"""

from orchestrator.store.database import Connection


async def take(connection: Connection, owner: str, *, per_second: float, burst: int) -> float:
    """Take a token from the key's bucket: 0.0 when there was one, else the seconds until there is.

    The bucket holds `burst` tokens and is refilled at `per_second`; kept is only when it will be full again.
    """
    values = {"owner": owner, "token": 1 / per_second, "bucket": burst / per_second}
    taken = await connection.execute(
        "INSERT INTO rate_limits AS kept (owner, full_at)"
        " VALUES (%(owner)s, clock_timestamp() + make_interval(secs => %(token)s))"
        " ON CONFLICT (owner) DO UPDATE SET full_at ="
        " GREATEST(kept.full_at, clock_timestamp()) + make_interval(secs => %(token)s)"
        " WHERE GREATEST(kept.full_at, clock_timestamp()) + make_interval(secs => %(token)s)"
        " <= clock_timestamp() + make_interval(secs => %(bucket)s)",
        values,
    )
    if taken.rowcount == 1:
        return 0.0
    left = await connection.execute(
        "SELECT EXTRACT(epoch FROM full_at - clock_timestamp())::float8 + %(token)s - %(bucket)s"
        " FROM rate_limits WHERE owner = %(owner)s",
        values,
    )
    row = await left.fetchone()
    return max(float(row[0]), 0.001) if row else 0.0


async def require_room(connection: Connection, owner: str, *, most: int) -> None:
    """psycopg.errors.ConfigurationLimitExceeded when the key has more generations than `most` that have not ended,
    those that this transaction has made among them.

    Ask last: from here to the end of the transaction nobody else makes one for this key, so nobody counts past it.
    """
    await connection.execute("SELECT require_room(%s, %s)", (owner, most))


async def in_flight(connection: Connection, owner: str) -> int:
    """The key's generations that have not ended."""
    cursor = await connection.execute(
        "SELECT count(*) FROM generations WHERE owner = %s AND state IN ('queued', 'running')", (owner,)
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
