"""Generations and failures of every key, found for operators: a page at a time, by an index. No words of users."""

from datetime import datetime

from psycopg import sql

from orchestrator.store.database import Connection, is_id
from orchestrator.store.rows import Delivery, Event, Row
from orchestrator.timeline import Told
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.vocabulary import Quality, Resolution, Stage

_LINE = sql.SQL(
    "SELECT found.id, found.number, found.state, owner, request ->> 'quality' AS quality,"
    " request ->> 'resolution' AS resolution, (request ->> 'duration')::int AS duration, found.created_at,"
    " found.finished_at, found.error ->> 'code' AS code, run.stage, run.attempt, run.state AS run_state, run.progress,"
    " extract(epoch FROM clock_timestamp() - COALESCE(last.at, found.created_at))::float8 AS quiet_seconds"
)
_AROUND = sql.SQL(
    " LEFT JOIN LATERAL (SELECT stage, attempt, state, progress FROM stage_runs WHERE generation_id = found.id"
    " ORDER BY number DESC LIMIT 1) AS run ON true"
    " LEFT JOIN events AS last ON last.generation_id = found.id AND last.seq = found.last_seq"
)


class GenerationFound(Row, Told):
    """One line of a list."""

    id: str
    number: int
    """For paging."""
    state: GenerationState
    owner: str
    """Name of the API key that asked."""
    quality: Quality
    resolution: Resolution
    duration: int
    created_at: datetime
    finished_at: datetime | None
    code: str | None
    """Why it failed."""
    stage: Stage | None
    """Of its newest stage run, as the next three."""
    attempt: int | None
    run_state: RunState | None
    progress: float | None
    quiet_seconds: float
    """Since its last event, progress included."""


class FailureFound(Row, Told):
    """A stage run that ended with an error, whether or not another attempt followed."""

    number: int
    """For paging."""
    generation_id: str
    generation_state: GenerationState
    """By now."""
    stage: Stage
    attempt: int
    state: RunState
    code: str
    message: str
    endpoint: str | None
    runpod_id: str | None
    finished_at: datetime


async def newest(
    connection: Connection, *, state: GenerationState | None, before: int | None, limit: int
) -> list[GenerationFound]:
    """Of one state, or of any; below the number `before`."""
    cursor = connection.cursor(row_factory=GenerationFound.factory)
    await cursor.execute(
        sql.SQL(
            "{line} FROM (SELECT * FROM generations WHERE (%s::text IS NULL OR state = %s) AND number < %s"
            " ORDER BY number DESC LIMIT %s) AS found {around} ORDER BY found.number DESC"
        ).format(line=_LINE, around=_AROUND),
        (state, state, before if before is not None else 2**63 - 1, limit),
    )
    return await cursor.fetchall()


async def quiet(connection: Connection, *, seconds: float, limit: int) -> list[GenerationFound]:
    """Live ones of which nothing was heard for so long, the longest first."""
    cursor = connection.cursor(row_factory=GenerationFound.factory)
    await cursor.execute(
        sql.SQL(
            "{line} FROM (SELECT generations.* FROM generations"
            " LEFT JOIN events ON generation_id = id AND seq = last_seq WHERE state IN ('queued', 'running')"
            " AND COALESCE(at, created_at) <= now() - make_interval(secs => %s)"
            " ORDER BY COALESCE(at, created_at) LIMIT %s) AS found {around}"
            " ORDER BY COALESCE(last.at, found.created_at)"
        ).format(line=_LINE, around=_AROUND),
        (seconds, limit),
    )
    return await cursor.fetchall()


async def failures(connection: Connection, *, code: str | None, stage: Stage | None, limit: int) -> list[FailureFound]:
    """Stage runs that ended with an error, newest first."""
    cursor = connection.cursor(row_factory=FailureFound.factory)
    await cursor.execute(
        "SELECT run.number, generation_id, generations.state AS generation_state, stage, attempt, run.state,"
        " run.error ->> 'code' AS code, run.error ->> 'message' AS message, endpoint, runpod_id, run.finished_at"
        " FROM stage_runs AS run JOIN generations ON generations.id = generation_id"
        " WHERE run.error IS NOT NULL AND run.finished_at IS NOT NULL"
        " AND (%s::text IS NULL OR run.error ->> 'code' = %s) AND (%s::text IS NULL OR stage = %s)"
        " ORDER BY run.finished_at DESC LIMIT %s",
        (code, code, stage, stage, limit),
    )
    return await cursor.fetchall()


async def happenings(connection: Connection, generation_id: str, *, limit: int) -> list[Event]:
    """The newest events of a generation but for progress, oldest first."""
    cursor = connection.cursor(row_factory=Event.factory)
    await cursor.execute(
        "SELECT * FROM (SELECT seq, at, type, data FROM events WHERE generation_id = %s AND type <> 'progress'"
        " ORDER BY seq DESC LIMIT %s) AS newest ORDER BY seq",
        (generation_id, limit),
    )
    return await cursor.fetchall()


async def delivery_of(connection: Connection, generation_id: str) -> Delivery | None:
    """The webhook about its end, where somebody wanted one."""
    if not is_id(generation_id):
        return None
    cursor = connection.cursor(row_factory=Delivery.factory)
    await cursor.execute("SELECT * FROM deliveries WHERE generation_id = %s", (generation_id,))
    return await cursor.fetchone()
