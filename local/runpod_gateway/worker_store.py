"""Which worker processes exist, as their calls show, and the stop signals that wait for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.runpod_gateway.database import Database
from local.runpod_gateway.states import Holder
from local.runpod_gateway.store import utc_now

_KEY = "endpoint = %(endpoint)s AND worker = %(worker)s"
_MINE = f"{_KEY} AND session = %(session)s"
_INTRODUCE = """INSERT INTO runpod_gateway.workers (endpoint, worker, session, seen_at)
                VALUES (%(endpoint)s, %(worker)s, %(session)s, %(now)s) ON CONFLICT DO NOTHING"""
_REPLACE = """UPDATE runpod_gateway.workers
              SET session = %(session)s, past_sessions = %(past)s, seen_at = %(now)s, suspect = false,
                  leaving_until = NULL, unhealthy = NULL
              WHERE endpoint = %(endpoint)s AND worker = %(worker)s"""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the gateway knows about a process that asks for a job.

    `superseded`: a newer process with the same worker id has asked since. `replaced`: the older process that this
    one takes the place of. `leaving`: it has asked to be stopped.
    """

    superseded: bool = False
    leaving: bool = False
    replaced: Holder | None = None


class WorkerStore:
    def __init__(self, database: Database, leaving: timedelta, gone: timedelta) -> None:
        self._database = database
        self._leaving = leaving
        self._gone = gone

    async def greet(self, endpoint: str, holder: Holder) -> Greeting:
        """A worker asks for a job: only this call may introduce a new process under a worker id."""
        now = utc_now()
        values = _values(endpoint, holder, now)
        async with self._database.transaction() as tx:
            await tx.connection.execute(_INTRODUCE, values)
            query = f"SELECT * FROM runpod_gateway.workers WHERE {_KEY} FOR UPDATE"  # noqa: S608  a constant
            row = await (await tx.connection.execute(query, values)).fetchone()
            if row is None:  # the insert above made it, and nobody deletes workers
                raise RuntimeError(f"worker {holder.worker} vanished")
            if row["session"] == holder.session:
                query = f"UPDATE runpod_gateway.workers SET seen_at = %(now)s, suspect = false WHERE {_KEY}"  # noqa: S608
                await tx.connection.execute(query, values)
                leaving = row["leaving_until"] is not None and row["leaving_until"] > now
                return Greeting(leaving=leaving)
            if holder.session in row["past_sessions"]:
                return Greeting(superseded=True)
            past = [*row["past_sessions"], row["session"]][-50:]
            await tx.connection.execute(_REPLACE, values | {"past": past})
            return Greeting(replaced=Holder(holder.worker, row["session"]))

    async def seen(self, endpoint: str, holder: Holder) -> None:
        """The main process of the worker made a call, so it lives."""
        await self._update(endpoint, holder, "seen_at = %(now)s, suspect = false")

    async def suspect(self, endpoint: str, holder: Holder) -> None:
        """Its main process hung up on a held poll: it may be dead while its ping child lives on."""
        await self._update(endpoint, holder, "suspect = true")

    async def leave(self, endpoint: str, holder: Holder) -> None:
        await self._update(endpoint, holder, "leaving_until = %(until)s", until=utc_now() + self._leaving)

    async def unhealthy(self, endpoint: str, holder: Holder, reason: str) -> None:
        """Of a worker that may never have asked for a job: the SDK says it before the first one."""
        async with self._database.transaction() as tx:
            await tx.connection.execute(_INTRODUCE, _values(endpoint, holder, utc_now()))
        await self._update(endpoint, holder, "unhealthy = %(reason)s", reason=reason)

    async def pinged(self, endpoint: str, holder: Holder) -> bool:
        """Note a ping. False when it proves nothing: the main process is suspected dead."""
        return await self._update(endpoint, holder, "seen_at = %(now)s", only="AND NOT suspect")

    async def pop_stops(self, endpoint: str, holder: Holder) -> list[str]:
        async with self._database.transaction() as tx:
            query = f"DELETE FROM runpod_gateway.stops WHERE {_MINE} RETURNING job_id"  # noqa: S608  a constant
            rows = await (await tx.connection.execute(query, _values(endpoint, holder, utc_now()))).fetchall()
        return [row["job_id"] for row in rows]

    async def overview(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """One entry per worker seen lately, with the ids of the jobs that it runs."""
        query = """SELECT w.endpoint, w.worker, w.session, w.seen_at, w.suspect, w.unhealthy,
                          coalesce(w.leaving_until > %(now)s, false) AS leaving,
                          coalesce(array_agg(j.id) FILTER (WHERE j.id IS NOT NULL), '{}') AS jobs
                   FROM runpod_gateway.workers w LEFT JOIN runpod_gateway.jobs j
                        ON j.endpoint = w.endpoint AND j.state = 'IN_PROGRESS'
                       AND ((j.worker, j.session) = (w.worker, w.session)
                         OR (j.shadow_worker, j.shadow_session) = (w.worker, w.session))
                   WHERE (%(endpoint)s::text IS NULL OR w.endpoint = %(endpoint)s) AND w.seen_at > %(since)s
                   GROUP BY w.endpoint, w.worker ORDER BY w.endpoint, w.worker"""
        now = utc_now()
        values = {"endpoint": endpoint, "now": now, "since": now - self._gone}
        async with self._database.transaction() as tx:
            rows = await (await tx.connection.execute(query, values)).fetchall()
        return [dict(row) | {"seen_at": row["seen_at"].isoformat()} for row in rows]

    async def _update(self, endpoint: str, holder: Holder, assignment: str, *, only: str = "", **extra: Any) -> bool:
        query = f"UPDATE runpod_gateway.workers SET {assignment} WHERE {_MINE} {only}"  # noqa: S608  constants
        async with self._database.transaction() as tx:
            cursor = await tx.connection.execute(query, _values(endpoint, holder, utc_now()) | extra)
            return cursor.rowcount == 1


def _values(endpoint: str, holder: Holder, now: datetime) -> dict[str, Any]:
    return {"endpoint": endpoint, "worker": holder.worker, "session": holder.session, "now": now}
