"""Jobs in Postgres: lock the rows, ask `states`, write what it says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from local.runpod_gateway import states
from local.runpod_gateway.bells import job_bell, queue_bell
from local.runpod_gateway.database import COLUMNS, FIELDS, Database, job_values, json_value, to_job
from local.runpod_gateway.states import Change, Holder, Job, Payload, Rules

_INSERT = sql.SQL("INSERT INTO runpod_gateway.jobs ({}, input) VALUES ({}, %(input)s)").format(
    COLUMNS, sql.SQL(", ").join(map(sql.Placeholder, FIELDS))
)
_FIND = sql.SQL("SELECT {}, output, error FROM runpod_gateway.jobs WHERE id = %s AND endpoint = %s").format(COLUMNS)
_LOCK = sql.SQL("SELECT {} FROM runpod_gateway.jobs WHERE id = %s AND endpoint = %s FOR UPDATE").format(COLUMNS)
_LOCK_NAMED = sql.SQL(
    "SELECT {} FROM runpod_gateway.jobs WHERE id = ANY(%s) AND endpoint = %s ORDER BY id FOR UPDATE"
).format(COLUMNS)
_LOCK_HELD = sql.SQL(
    "SELECT {} FROM runpod_gateway.jobs WHERE endpoint = %s AND state = 'IN_PROGRESS'"
    " AND worker = %s AND session = %s ORDER BY id FOR UPDATE"
).format(COLUMNS)
# Oldest first by creation, so that a requeued job does not wait behind everybody again.
_NEXT = sql.SQL(
    "SELECT {}, input FROM runpod_gateway.jobs WHERE endpoint = %(endpoint)s"
    " AND ((state = 'IN_QUEUE' AND not_before <= %(now)s) OR (state = 'IN_PROGRESS' AND duplicate_due"
    " AND (worker, session) <> (%(worker)s, %(session)s)))"
    " ORDER BY created_at, id LIMIT %(count)s FOR UPDATE SKIP LOCKED"
).format(COLUMNS)
_DUE = sql.SQL(
    "SELECT {} FROM runpod_gateway.jobs WHERE"
    " (state IN ('IN_QUEUE', 'IN_PROGRESS') AND (expires_at <= %(now)s OR lease_until <= %(now)s"
    " OR started_at + execution_timeout_ms * interval '1 millisecond' <= %(now)s))"
    " OR (state NOT IN ('IN_QUEUE', 'IN_PROGRESS') AND finished_at <= %(now)s"
    " - CASE WHEN sync THEN %(runsync)s ELSE %(run)s END)"
    " ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED"
).format(COLUMNS)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StoredJob:
    job: Job
    payload: Payload


class JobStore:
    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    async def add(self, job: Job, job_input: Any) -> None:
        async with self._database.transaction() as tx:
            await tx.connection.execute(_INSERT, job_values(job) | {"input": json_value(job_input)})
            tx.bells.append(queue_bell(job.endpoint))

    async def find(self, endpoint: str, job_id: str) -> StoredJob | None:
        async with self._database.transaction() as tx:
            row = await (await tx.connection.execute(_FIND, [job_id, endpoint])).fetchone()
        return StoredJob(to_job(row), Payload(row["output"], row["error"])) if row else None

    async def change(
        self, endpoint: str, job_id: str, decide: Callable[[Job], Change | None]
    ) -> tuple[Job | None, bool]:
        """Lock one job and do what `decide` says. Returns the job as it is now, and whether anything changed."""
        async with self._database.transaction() as tx:
            row = await (await tx.connection.execute(_LOCK, [job_id, endpoint])).fetchone()
            if row is None:
                return None, False
            job = to_job(row)
            change = decide(job)
            if change is None:
                return job, False
            await tx.apply(job, change)
            return change.job, True

    async def take(
        self, endpoint: str, holder: Holder, count: int, duplicate: Callable[[], bool]
    ) -> list[dict[str, Any]]:
        """Up to `count` jobs as the SDK wants them: {"id", "input"}. `duplicate` is asked once per job taken."""
        now = utc_now()
        async with self._database.transaction() as tx:
            values = {"endpoint": endpoint, "now": now, "count": count}
            names = {"worker": holder.worker, "session": holder.session}
            rows = await (await tx.connection.execute(_NEXT, values | names)).fetchall()
            for row in rows:
                job = to_job(row)
                again = job.state is states.State.IN_QUEUE and duplicate()
                await tx.apply(job, states.take(job, holder, now, self._rules, duplicate=again))
            # A stop that is still waiting was meant for an earlier run of the same job on this worker.
            await tx.connection.execute(
                "DELETE FROM runpod_gateway.stops WHERE endpoint = %s AND worker = %s AND session = %s"
                " AND job_id = ANY(%s)",
                [endpoint, holder.worker, holder.session, [row["id"] for row in rows]],
            )
        return [{"id": row["id"], "input": row["input"]} for row in rows]

    async def named_in_ping(self, endpoint: str, holder: Holder, job_ids: Sequence[str], *, renew: bool) -> None:
        """Renew the leases of the named jobs; tell the worker to stop those that are not its own."""
        now = utc_now()
        async with self._database.transaction() as tx:
            cursor = await tx.connection.execute(_LOCK_NAMED, [list(job_ids), endpoint])
            jobs = {job.id: job for job in map(to_job, await cursor.fetchall())}
            for job_id in sorted(set(job_ids)):
                job = jobs.get(job_id)
                if states.is_stray(job, holder):
                    await tx.stop(endpoint, holder.worker, holder.session, job_id)
                elif renew and job and (change := states.renew(job, holder, now, self._rules)):
                    await tx.apply(job, change)

    async def release(self, endpoint: str, holder: Holder, why: str) -> None:
        """Everything that this holder was running is lost; queue it again at once."""
        now = utc_now()
        async with self._database.transaction() as tx:
            cursor = await tx.connection.execute(_LOCK_HELD, [endpoint, holder.worker, holder.session])
            for job in map(to_job, await cursor.fetchall()):
                await tx.apply(job, states.lost(job, now, self._rules, why))

    async def renew_all(self) -> None:
        """Every lease begins anew: nobody could renew one while this gateway or its database was away."""
        query = "UPDATE runpod_gateway.jobs SET lease_until = %s WHERE state = 'IN_PROGRESS'"
        async with self._database.transaction() as tx:
            await tx.connection.execute(query, [utc_now() + self._rules.lease])

    async def sweep(self) -> int:
        """One round of what time does to jobs (`states.sweep`). Returns how many jobs changed."""
        now = utc_now()
        changed = 0
        async with self._database.transaction() as tx:
            spans = {"run": self._rules.keep_run, "runsync": self._rules.keep_runsync}
            cursor = await tx.connection.execute(_DUE, {"now": now} | spans)
            for job in map(to_job, await cursor.fetchall()):
                if change := states.sweep(job, now, self._rules):
                    await tx.apply(job, change)
                    changed += 1
            await tx.connection.execute(
                "DELETE FROM runpod_gateway.stops WHERE created_at < now() - interval '10 minutes'"
            )
        return changed

    async def purge(self, endpoint: str) -> int:
        async with self._database.transaction() as tx:
            cursor = await tx.connection.execute(
                "DELETE FROM runpod_gateway.jobs WHERE endpoint = %s AND state = 'IN_QUEUE' RETURNING id", [endpoint]
            )
            rows = await cursor.fetchall()
            tx.bells.extend(job_bell(row["id"]) for row in rows)
        return len(rows)

    async def counts(self, endpoint: str) -> dict[str, int]:
        """The `jobs` part of /health, over the jobs that are still kept."""
        query = """SELECT count(*) FILTER (WHERE state = 'COMPLETED') AS completed,
                          count(*) FILTER (WHERE state IN ('FAILED', 'TIMED_OUT')) AS failed,
                          count(*) FILTER (WHERE state = 'IN_PROGRESS') AS "inProgress",
                          count(*) FILTER (WHERE state = 'IN_QUEUE') AS "inQueue",
                          coalesce(sum(retries), 0)::int AS retried
                   FROM runpod_gateway.jobs WHERE endpoint = %s"""
        async with self._database.transaction() as tx:
            row = await (await tx.connection.execute(query, [endpoint])).fetchone()
        return dict(row or {})

    async def recent(self, endpoint: str) -> list[DictRow]:
        query = """SELECT id, state AS status FROM runpod_gateway.jobs WHERE endpoint = %s
                   ORDER BY created_at DESC LIMIT 100"""
        async with self._database.transaction() as tx:
            return await (await tx.connection.execute(query, [endpoint])).fetchall()

    async def add_chunk(self, endpoint: str, job_id: str, holder: Holder, output: Any) -> bool:
        """Keep a chunk of a generator handler; False when it comes from nobody that runs this job."""
        async with self._database.transaction() as tx:
            row = await (await tx.connection.execute(_LOCK, [job_id, endpoint])).fetchone()
            if row is None or states.progress(to_job(row), holder, output) is None:
                return False
            query = "INSERT INTO runpod_gateway.chunks (job_id, output) VALUES (%s, %s)"
            await tx.connection.execute(query, [job_id, json_value(output)])
        return True

    async def pop_chunks(self, job_id: str) -> list[Any]:
        """The chunks since the last call, oldest first."""
        query = "DELETE FROM runpod_gateway.chunks WHERE job_id = %s RETURNING id, output"
        async with self._database.transaction() as tx:
            rows = await (await tx.connection.execute(query, [job_id])).fetchall()
        return [row["output"] for row in sorted(rows, key=lambda row: int(row["id"]))]
