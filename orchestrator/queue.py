"""The procrastinate app: tasks are deferred by name, inside the caller's transaction (transactional outbox).

A task that was deferred by a transaction that rolls back never existed; one that commits is run at least once.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.resources import files

import procrastinate
import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from orchestrator.store.database import BoundedConnection, Connection
from orchestrator.store.migrations import Step

log = structlog.get_logger()

SUBMIT, CANCEL, DELIVER, TELL, PRUNE = "submit", "cancel", "deliver", "tell", "prune"
NAMES = (SUBMIT, CANCEL, DELIVER, TELL, PRUNE)
PRUNE_CRON = "17 * * * *"
"""Once an hour, whoever of the replicas is first."""

HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 20.0
"""Silence after which the tasks of a worker are given to others."""
FORGOTTEN_SECONDS = 120.0
"""After its start a task that still stands as under way is queued again; each ends much sooner, or fails."""


class Queue:
    """Short tasks in Postgres, on the pool of the database."""

    def __init__(self, pool: AsyncConnectionPool[BoundedConnection]) -> None:
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._pool = pool

    async def open(self) -> None:
        await self.app.open_async(self._pool)

    async def defer(self, connection: Connection, task: str, *, after: float = 0, **arguments: str | int) -> None:
        """Queue a task as part of the transaction of `connection`, to be run after that many seconds."""
        deferrer = self.app.configure_task(
            task, connection=connection, schedule_in={"milliseconds": round(after * 1000)} if after else None
        )
        await deferrer.defer_async(**arguments)

    async def defer_once(self, connection: Connection, task: str, key: str, **arguments: str | int) -> bool:
        """Queue a task unless one of this key waits already; those of one key never run side by side.

        False: one waits, and will see what this one would have seen.
        """
        deferrer = self.app.configure_task(task, connection=connection, lock=key, queueing_lock=key)
        try:
            async with connection.transaction():  # the refusal must not undo what the caller did before
                await deferrer.defer_async(**arguments)
        except procrastinate.exceptions.AlreadyEnqueued:
            return False
        return True

    async def work(self, *, poll_seconds: float, concurrency: int, drain_seconds: float) -> None:
        """Run tasks until cancelled; then those under way get `drain_seconds` to end."""
        await self.app.run_worker_async(
            concurrency=concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=poll_seconds,
            shutdown_graceful_timeout=drain_seconds,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            delete_jobs="successful",
        )

    async def rescue(self) -> int:
        """Queue again what a killed worker held, and what a living one has lost. Twice is no harm to any task.

        procrastinate's worker forgets a task whose end it could not write down, because the database was away at that
        very moment: the task stands as under way for as long as that worker lives (found by `make chaos`).
        """
        manager = self.app.job_manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS))
        known = {job.id for job in stalled}
        for job_id in await self._forgotten():
            stalled += [job for job in await manager.list_jobs_async(id=job_id) if job.id not in known]
        count = 0
        for job in stalled:
            try:
                await self.app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
            except procrastinate.exceptions.ConnectorException as error:
                if isinstance(error.__cause__, psycopg.errors.RaiseException):
                    continue  # another replica was quicker
                raise
            log.warning("task rescued", task=job.task_name, **job.task_kwargs)
            count += 1
        return count

    async def late(self, connection: Connection) -> dict[str, float]:
        """Task -> seconds that its oldest due one has waited for a worker; 0 where none is due."""
        cursor = await connection.execute(
            "SELECT task_name, extract(epoch FROM clock_timestamp() - min(due))::float8 FROM"
            " (SELECT task_name, COALESCE(scheduled_at,"
            " (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id)) AS due"
            " FROM procrastinate_jobs job WHERE status = 'todo') AS waiting"
            " WHERE due <= clock_timestamp() GROUP BY task_name"
        )
        return dict.fromkeys(NAMES, 0.0) | {str(task): float(seconds) for task, seconds in await cursor.fetchall()}

    async def _forgotten(self) -> list[int]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT job.id FROM procrastinate_jobs job JOIN procrastinate_events event ON event.job_id = job.id"
                " WHERE job.status = 'doing' AND event.type = 'started'"
                " GROUP BY job.id HAVING max(event.at) < now() - make_interval(secs => %s)",
                (FORGOTTEN_SECONDS,),
            )
            return [int(row[0]) for row in await cursor.fetchall()]


def queue_migrations(done: set[str]) -> Iterable[Step]:
    """Procrastinate's schema. A fresh database gets it whole, which contains all its migrations so far."""
    folder = files("procrastinate").joinpath("sql")
    names = sorted(file.name for file in folder.joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    fresh = not any(name.startswith("procrastinate/") for name in done)
    if fresh:
        yield "procrastinate/schema", folder.joinpath("schema.sql").read_bytes()
    for name in names:
        if f"procrastinate/{name}" not in done:
            yield f"procrastinate/{name}", b"" if fresh else folder.joinpath("migrations", name).read_bytes()
