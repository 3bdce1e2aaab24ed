"""What happened lately, counted over every key: for operators. Each query is bounded by an hour or a day, and indexed.

`now()`, and not `clock_timestamp()` as elsewhere: a time that may differ from row to row cannot be looked up.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import sql

from orchestrator.overview import CodeCount, Ended, Flow, Spread, flow_of
from orchestrator.store.database import Connection
from shared.contracts.vocabulary import Stage

MOST_COUNTED = 10_000
"""Failures: when everything fails, and operators look, counting them must not add to it (about 0.1 s)."""
LIVE = "state IN ('queued', 'running')"


async def clock(connection: Connection) -> datetime:
    """The database's time: the one clock of all rows."""
    row: Any = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    found: datetime = row[0]
    return found


async def ended_runs(connection: Connection) -> dict[Stage, Ended]:
    """Stage runs that ended in the last hour, by stage."""
    cursor = await connection.execute(
        "SELECT stage, count(*) FILTER (WHERE state = 'succeeded'),"
        " count(*) FILTER (WHERE state IN ('failed', 'lost', 'timed_out')), count(*) FILTER (WHERE state = 'canceled'),"
        " count(*) FILTER (WHERE reused), count(*) FILTER (WHERE attempt > 1),"
        " percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY queued),"
        " percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ran) FILTER (WHERE state = 'succeeded'),"
        " COALESCE(sum(ran), 0), COALESCE(sum(ran) FILTER (WHERE state <> 'succeeded'), 0)"
        " FROM (SELECT stage, state, reused, attempt, extract(epoch FROM started_at - submitted_at)::float8 AS queued,"
        " extract(epoch FROM finished_at - started_at)::float8 AS ran"
        " FROM stage_runs WHERE finished_at > now() - interval '1 hour') AS recent GROUP BY stage"
    )
    return {
        Stage(stage): Ended(
            succeeded=succeeded,
            failed=failed,
            canceled=canceled,
            reused=reused,
            retries=retries,
            queue_seconds=_spread(queued),
            run_seconds=_spread(ran),
            gpu_seconds=round(gpu, 1),
            wasted_gpu_seconds=round(wasted, 1),
        )
        for stage, succeeded, failed, canceled, reused, retries, queued, ran, gpu, wasted in await cursor.fetchall()
    }


async def flow(connection: Connection, *, minutes: int) -> Flow:
    """Generations of the last minutes. What was accepted in them has ended in them, or has not ended."""
    values = {"minutes": minutes}
    ended = await connection.execute(
        "SELECT state, count(*), count(*) FILTER (WHERE created_at > now() - make_interval(mins => %(minutes)s))"
        " FROM generations WHERE finished_at > now() - make_interval(mins => %(minutes)s) GROUP BY state",
        values,
    )
    rows = await ended.fetchall()
    live = await connection.execute(
        sql.SQL(
            "SELECT count(*) FROM generations WHERE {live} AND created_at > now() - make_interval(mins => %(minutes)s)"
        ).format(live=sql.SQL(LIVE)),
        values,
    )
    under_way: Any = await live.fetchone()
    accepted = int(under_way[0]) + sum(int(new) for _, _, new in rows)
    return flow_of(minutes, accepted, {str(state): int(count) for state, count, _ in rows})


async def seconds_of_videos(connection: Connection) -> Spread | None:
    """From the request to the video, of those that were made in the last hour."""
    cursor = await connection.execute(
        "SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))"
        " FROM generations WHERE finished_at > now() - interval '1 hour' AND state = 'succeeded'"
    )
    row: Any = await cursor.fetchone()
    return _spread(row[0])


async def codes(connection: Connection) -> list[CodeCount]:
    """Errors of stage runs of the last day, the most frequent of the last hour first; at most so many are counted."""
    cursor = await connection.execute(
        "SELECT stage, code, count(*) FILTER (WHERE finished_at > now() - interval '1 hour') AS hour,"
        " count(*) AS day, max(finished_at) FROM (SELECT stage, error ->> 'code' AS code, finished_at FROM stage_runs"
        " WHERE error IS NOT NULL AND finished_at > now() - interval '1 day' ORDER BY finished_at DESC LIMIT %s)"
        " AS recent GROUP BY stage, code ORDER BY hour DESC, day DESC, code, stage",
        (MOST_COUNTED,),
    )
    return [
        CodeCount(stage=Stage(stage), code=code, hour=hour, day=day, last_at=last)
        for stage, code, hour, day, last in await cursor.fetchall()
    ]


async def dead_webhooks(connection: Connection) -> int:
    """Given up in the last day."""
    cursor = await connection.execute(
        "SELECT count(*) FROM deliveries WHERE state = 'dead' AND finished_at > now() - interval '1 day'"
    )
    row: Any = await cursor.fetchone()
    return int(row[0])


def _spread(found: Sequence[float] | None) -> Spread | None:
    """None where nothing was to be measured."""
    return Spread(p50=round(found[0], 3), p95=round(found[1], 3)) if found else None
