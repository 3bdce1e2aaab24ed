"""Queries of `stage_runs`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from orchestrator.store.database import Connection, is_id
from orchestrator.store.generations import json_or_null
from orchestrator.store.rows import StageRun, inserted
from orchestrator.transitions import RunState
from shared.contracts.artifact import Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody

LIVE = "state IN ('pending', 'submitted', 'running')"


async def insert(
    connection: Connection,
    *,
    run_id: str,
    generation_id: str,
    stage: Stage,
    attempt: int,
    repair: bool,
    endpoint: str | None,
    token: str,
    seconds: float,
) -> StageRun:
    """A pending run that has to be submitted within `seconds`, to the stage's usual endpoint unless one is named."""
    cursor = connection.cursor(row_factory=StageRun.factory)
    await cursor.execute(
        "INSERT INTO stage_runs"
        " (id, generation_id, stage, attempt, state, repair, endpoint, token, deadline_at, next_poll_at)"
        " SELECT %s, %s, %s, %s, 'pending', %s, %s, %s, at, at"
        " FROM (SELECT clock_timestamp() + make_interval(secs => %s) AS at) AS deadline RETURNING *",
        (run_id, generation_id, stage, attempt, repair, endpoint, token, seconds),
    )
    return inserted(await cursor.fetchone())


async def get(connection: Connection, run_id: str) -> StageRun | None:
    if not is_id(run_id):
        return None
    cursor = connection.cursor(row_factory=StageRun.factory)
    await cursor.execute("SELECT * FROM stage_runs WHERE id = %s", (run_id,))
    return await cursor.fetchone()


async def of_generation(connection: Connection, generation_id: str, *, lock: bool = False) -> list[StageRun]:
    """All runs of a generation, oldest first."""
    cursor = connection.cursor(row_factory=StageRun.factory)
    ending = sql.SQL(" FOR UPDATE") if lock else sql.SQL("")
    query = sql.SQL("SELECT * FROM stage_runs WHERE generation_id = %s ORDER BY number")
    await cursor.execute(query + ending, (generation_id,))
    return await cursor.fetchall()


async def beside(connection: Connection, run_id: str) -> list[StageRun]:
    """All runs of the generation that this run is of, oldest first."""
    cursor = connection.cursor(row_factory=StageRun.factory)
    await cursor.execute(
        "SELECT * FROM stage_runs WHERE generation_id = (SELECT generation_id FROM stage_runs WHERE id = %s)"
        " ORDER BY number",
        (run_id,),
    )
    return await cursor.fetchall()


async def submitting(connection: Connection, run_id: str, *, stage_key: str, endpoint: str) -> None:
    """What will be asked of RunPod, written before it is asked: an answer may be lost."""
    await connection.execute(
        "UPDATE stage_runs SET stage_key = %s, endpoint = %s WHERE id = %s", (stage_key, endpoint, run_id)
    )


async def set_state(connection: Connection, run_id: str, state: RunState) -> None:
    await connection.execute(
        "UPDATE stage_runs SET state = %s,"
        " finished_at = CASE WHEN %s THEN COALESCE(finished_at, clock_timestamp()) END WHERE id = %s",
        (state, state.final, run_id),
    )


async def submitted(connection: Connection, run_id: str, runpod_id: str, *, seconds: float, poll_in: float) -> None:
    """RunPod has it; a worker has to take it within `seconds`."""
    await connection.execute(
        "UPDATE stage_runs SET runpod_id = %s, submitted_at = clock_timestamp(),"
        " deadline_at = clock_timestamp() + make_interval(secs => %s),"
        " next_poll_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
        (runpod_id, seconds, poll_in, run_id),
    )


async def started(connection: Connection, run_id: str, *, ago: float, seconds: float) -> None:
    """A worker took it `ago` seconds ago, and has to be done within `seconds` from now."""
    await connection.execute(
        "UPDATE stage_runs SET started_at = GREATEST(submitted_at, clock_timestamp() - make_interval(secs => %s)),"
        " deadline_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
        (ago, seconds, run_id),
    )


async def finished(connection: Connection, run_id: str, manifest: Manifest, *, reused: bool) -> None:
    await connection.execute(
        "UPDATE stage_runs SET manifest = %s, reused = %s, progress = 1 WHERE id = %s",
        (json_or_null(manifest), reused, run_id),
    )


async def failed(connection: Connection, run_id: str, error: ErrorBody) -> None:
    await connection.execute("UPDATE stage_runs SET error = %s WHERE id = %s", (json_or_null(error), run_id))


async def set_progress(connection: Connection, run_id: str, fraction: float) -> None:
    await connection.execute("UPDATE stage_runs SET progress = %s WHERE id = %s", (fraction, run_id))


@dataclass(frozen=True)
class Claim:
    """A run that is ours to look at. Its row is read by whoever looks: one that this release cannot read must not keep
    the others from it.
    """

    values: dict[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.values["id"])

    @property
    def until(self) -> datetime:
        """Until when nobody else gets it."""
        found: datetime = self.values["next_poll_at"]
        return found

    def run(self) -> StageRun:
        return StageRun.read(self.values)


async def claim_due(connection: Connection, *, limit: int, lease: float, contract: int) -> list[Claim]:
    """Live runs whose time to be looked at has come; nobody else gets them for `lease` seconds.

    Runs of generations that were planned under a newer contract are left to newer replicas until their deadline.
    """
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        sql.SQL(
            "UPDATE stage_runs SET next_poll_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id IN (SELECT id FROM stage_runs WHERE {live} AND next_poll_at <= clock_timestamp()"
            " AND (deadline_at <= clock_timestamp() OR %s >= (SELECT"
            " (plan #>> '{{stages,0,params,contract_version}}')::int FROM generations WHERE id = generation_id))"
            " ORDER BY next_poll_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING *"
        ).format(live=sql.SQL(LIVE)),
        (lease, contract, limit),
    )
    return [Claim(values) for values in await cursor.fetchall()]


async def poll_again(connection: Connection, looked: Sequence[tuple[str, datetime, float]]) -> None:
    """Give claims back: (run, claimed until, seconds until the next look).

    A hint that came while we held one (`due_soon`) keeps its earlier time.
    """
    ids, until, seconds = zip(*looked, strict=True)
    await connection.execute(
        "UPDATE stage_runs SET next_poll_at = CASE WHEN deadline_at > clock_timestamp()"
        " THEN LEAST(deadline_at, clock_timestamp() + make_interval(secs => seconds))"
        " ELSE clock_timestamp() + make_interval(secs => seconds) END"
        " FROM unnest(%s::text[], %s::timestamptz[], %s::float8[]) AS looked (run_id, until, seconds)"
        " WHERE id = run_id AND next_poll_at = until",
        (list(ids), list(until), list(seconds)),
    )


async def due_soon(connection: Connection, run_id: str, *, gap: float) -> None:
    """Have a live run looked at: now, or `gap` seconds after the last time that this was asked for.

    However often it is asked for, it brings about one look per gap, and one after the last time.
    """
    look = sql.SQL(
        "CASE WHEN hinted_at > clock_timestamp() THEN hinted_at"
        " ELSE GREATEST(clock_timestamp(), hinted_at + make_interval(secs => {})) END"
    ).format(gap)
    await connection.execute(
        sql.SQL(
            "UPDATE stage_runs SET hinted_at = {look}, next_poll_at = LEAST(next_poll_at, {look})"
            " WHERE id = {run_id} AND {live}"
        ).format(look=look, run_id=run_id, live=sql.SQL(LIVE))
    )


async def count_all_live(connection: Connection) -> int:
    cursor = await connection.execute(
        sql.SQL("SELECT count(*) FROM stage_runs WHERE {live}").format(live=sql.SQL(LIVE))
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def count_live(connection: Connection) -> list[tuple[str, str, int, float]]:
    """(stage, state, how many, seconds that the oldest has been in it) of live runs."""
    cursor: Any = await connection.execute(
        sql.SQL(
            "SELECT stage, state, count(*), extract(epoch FROM clock_timestamp() - min(CASE state"
            " WHEN 'running' THEN started_at WHEN 'submitted' THEN submitted_at ELSE created_at END))::float8"
            " FROM stage_runs WHERE {live} GROUP BY stage, state"
        ).format(live=sql.SQL(LIVE))
    )
    return [(str(stage), str(state), int(count), float(age)) for stage, state, count, age in await cursor.fetchall()]


async def poll_late(connection: Connection) -> float:
    """Seconds by which the most overdue look at a live run is late; 0 where none is."""
    cursor = await connection.execute(
        sql.SQL(
            "SELECT GREATEST(0, COALESCE(max(extract(epoch FROM clock_timestamp() - next_poll_at)), 0))::float8"
            " FROM stage_runs WHERE {live}"
        ).format(live=sql.SQL(LIVE))
    )
    row = await cursor.fetchone()
    return float(row[0]) if row else 0.0
