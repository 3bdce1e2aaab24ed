"""The connection pool, the schema, and one transaction as every write uses it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from importlib import resources
from typing import Any

import structlog
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Json
from psycopg_pool import AsyncConnectionPool

from local.runpod_gateway.bells import WEBHOOK_BELL, Bells, job_bell, queue_bell, stop_bell
from local.runpod_gateway.states import Change, Job, Payload, State
from local.runpod_gateway.views import status_view

log = structlog.get_logger("gateway.jobs")

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

FIELDS = [field.name for field in fields(Job)]
COLUMNS = sql.SQL(", ").join(map(sql.Identifier, FIELDS))
_UPDATE = sql.SQL("UPDATE runpod_gateway.jobs SET {} WHERE id = %(id)s").format(
    sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in FIELDS if n != "id")
)


@asynccontextmanager
async def open_pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool with the schema in place. Raises psycopg.OperationalError when the database does not answer in 10 s."""
    pool: Pool = AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=10,  # held polls hold no connection, so few are enough
        timeout=2,
        kwargs={"row_factory": dict_row, "autocommit": True},
        open=False,
    )
    await pool.open(wait=True, timeout=10)
    try:
        schema = resources.files("local.runpod_gateway").joinpath("sql/schema.sql").read_text(encoding="utf-8")
        async with pool.connection() as connection, connection.transaction():
            await connection.execute(schema)
        yield pool
    finally:
        await pool.close()


def to_job(row: DictRow) -> Job:
    values = {name: row[name] for name in FIELDS}
    return Job(**values | {"state": State(row["state"])})


def json_value(value: Any) -> Json | None:
    """None is SQL NULL; NaN, which Postgres would refuse in the middle of a transaction, is refused where it enters."""
    return None if value is None else Json(value, dumps=lambda v: json.dumps(v, ensure_ascii=False))


def job_values(job: Job) -> dict[str, Any]:
    return asdict(job) | {"state": job.state.value}


class Transaction:
    """One database transaction; the bells of what it changed ring after the commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.bells: list[str] = []

    async def apply(self, before: Job, change: Change) -> None:
        """Write a change of a job whose row this transaction has locked."""
        after = change.job
        if after is None:
            await self.connection.execute("DELETE FROM runpod_gateway.jobs WHERE id = %s", [before.id])
            self.bells.append(job_bell(before.id))
        else:
            if after != before:
                await self.connection.execute(_UPDATE, job_values(after))
            if change.payload is not None:
                await self._write_payload(after, change.payload)
        for holder in change.stop:
            await self.stop(before.endpoint, holder.worker, holder.session, before.id)
        if after is None or after.state is not before.state:
            state = after.state.value if after else "deleted"
            log.info(
                "job", id=before.id, endpoint=before.endpoint, state=state, why=change.why,
                worker=(after or before).worker, attempts=(after or before).attempts,
            )  # fmt: skip
            if after:
                await self._announce(after, change.payload or Payload())
        elif after.duplicate_due:
            self.bells.append(queue_bell(after.endpoint))

    async def stop(self, endpoint: str, worker: str, session: str, job_id: str) -> None:
        await self.connection.execute(
            "INSERT INTO runpod_gateway.stops VALUES (%s, %s, %s, %s, now()) ON CONFLICT DO NOTHING",
            [endpoint, worker, session, job_id],
        )
        self.bells.append(stop_bell(endpoint, worker))

    async def _write_payload(self, job: Job, payload: Payload) -> None:
        await self.connection.execute(
            "UPDATE runpod_gateway.jobs SET output = %s, error = %s WHERE id = %s",
            [json_value(payload.output), json_value(payload.error), job.id],
        )

    async def _announce(self, job: Job, payload: Payload) -> None:
        if job.state is State.IN_QUEUE:  # chunks of the lost run would come twice
            await self.connection.execute("DELETE FROM runpod_gateway.chunks WHERE job_id = %s", [job.id])
            self.bells.append(queue_bell(job.endpoint))
        elif job.duplicate_due:
            self.bells.append(queue_bell(job.endpoint))
        if job.live:
            return
        self.bells.append(job_bell(job.id))
        if job.webhook:
            await self.connection.execute(
                "INSERT INTO runpod_gateway.webhooks (job_id, url, body, next_at) VALUES (%s, %s, %s, now())",
                [job.id, job.webhook, json_value(status_view(job, payload))],
            )
            self.bells.append(WEBHOOK_BELL)


class Database:
    """Hands out transactions that ring their bells after the commit."""

    def __init__(self, pool: Pool, bells: Bells) -> None:
        self._pool = pool
        self._bells = bells

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._pool.connection() as connection:
            async with connection.transaction():
                transaction = Transaction(connection)
                yield transaction
            for name in transaction.bells:
                self._bells.ring(name)
