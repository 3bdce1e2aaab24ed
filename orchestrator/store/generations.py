"""Queries of `generations` and of the idempotency keys that lead to them."""

from collections.abc import Sequence

from psycopg.types.json import Jsonb
from pydantic import BaseModel

from orchestrator.plan import Plan
from orchestrator.store.database import Connection, is_id
from orchestrator.store.events import Told, columns
from orchestrator.store.rows import Generation, inserted
from orchestrator.transitions import GenerationState
from shared.contracts.artifact import Artifact
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody


def json_or_null(value: BaseModel | None) -> Jsonb | None:
    return None if value is None else Jsonb(value.model_dump(mode="json"))


async def insert(
    connection: Connection,
    *,
    generation_id: str,
    owner: str,
    request: GenerationRequest,
    plan: Plan,
    image: Artifact | None,
    control: Artifact | None,
    credits_asked: int,
    told: Sequence[Told],
) -> Generation:
    """With its first events, of which nobody has to be woken."""
    cursor = connection.cursor(row_factory=Generation.factory)
    await cursor.execute(
        "WITH made AS (INSERT INTO generations (id, owner, state, request, plan, image, control, credits, last_seq)"
        " VALUES (%s, %s, 'queued', %s, %s, %s, %s, %s, %s) RETURNING *),"
        " told AS (INSERT INTO events (generation_id, seq, at, type, data)"
        " SELECT id, seq, clock_timestamp(), type, data"
        " FROM made, unnest(%s::text[], %s::jsonb[]) WITH ORDINALITY AS told (type, data, seq))"
        " SELECT * FROM made",
        (
            generation_id,
            owner,
            json_or_null(request),
            json_or_null(plan),
            json_or_null(image),
            json_or_null(control),
            credits_asked,
            len(told),
            *columns(told),
        ),
    )
    return inserted(await cursor.fetchone())


async def get(connection: Connection, generation_id: str, *, owner: str | None = None) -> Generation | None:
    """One generation; with an owner, only one of theirs."""
    if not is_id(generation_id):
        return None
    cursor = connection.cursor(row_factory=Generation.factory)
    await cursor.execute(
        "SELECT * FROM generations WHERE id = %s AND (%s::text IS NULL OR owner = %s)", (generation_id, owner, owner)
    )
    return await cursor.fetchone()


async def newest(connection: Connection, owner: str, *, before: int | None, limit: int) -> list[Generation]:
    """The owner's generations, newest first, below the number `before`."""
    cursor = connection.cursor(row_factory=Generation.factory)
    await cursor.execute(
        "SELECT * FROM generations WHERE owner = %s AND (%s::bigint IS NULL OR number < %s)"
        " ORDER BY number DESC LIMIT %s",
        (owner, before, before, limit),
    )
    return await cursor.fetchall()


async def lock(connection: Connection, generation_id: str) -> Generation | None:
    cursor = connection.cursor(row_factory=Generation.factory)
    await cursor.execute("SELECT * FROM generations WHERE id = %s FOR UPDATE", (generation_id,))
    return await cursor.fetchone()


async def lock_by_run(connection: Connection, run_id: str) -> Generation | None:
    cursor = connection.cursor(row_factory=Generation.factory)
    await cursor.execute(
        "SELECT * FROM generations WHERE id = (SELECT generation_id FROM stage_runs WHERE id = %s) FOR UPDATE",
        (run_id,),
    )
    return await cursor.fetchone()


async def set_state(
    connection: Connection,
    generation_id: str,
    state: GenerationState,
    *,
    error: ErrorBody | None,
    refund: int | None,
) -> None:
    await connection.execute(
        "UPDATE generations SET state = %s, error = %s, credits_refund = %s,"
        " finished_at = CASE WHEN %s THEN clock_timestamp() END WHERE id = %s",
        (state, json_or_null(error), refund, state.final, generation_id),
    )


async def count_told(connection: Connection, generation_id: str) -> None:
    """One more progress webhook is queued."""
    await connection.execute("UPDATE generations SET progress_told = progress_told + 1 WHERE id = %s", (generation_id,))


async def awaited_look(connection: Connection, generation_id: str, *, seconds: float) -> str | None:
    """The stage_key of the base whose early look is wanted and may still come: it ended at most so long ago."""
    cursor = await connection.execute(
        "SELECT base.stage_key FROM generations JOIN stage_runs base ON base.generation_id = generations.id"
        " WHERE generations.id = %s AND early_look IS NULL AND (request ->> 'early_look')::boolean"
        " AND base.stage = %s AND base.state = 'succeeded'"
        " AND base.finished_at > clock_timestamp() - make_interval(secs => %s)"
        " ORDER BY base.number DESC LIMIT 1",
        (generation_id, Stage.BASE_GEN, seconds),
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def set_early_look(connection: Connection, generation_id: str, look: Artifact) -> None:
    await connection.execute(
        "UPDATE generations SET early_look = %s WHERE id = %s", (json_or_null(look), generation_id)
    )


async def set_plan(connection: Connection, generation_id: str, plan: Plan) -> None:
    await connection.execute("UPDATE generations SET plan = %s WHERE id = %s", (json_or_null(plan), generation_id))


async def count_live(connection: Connection) -> dict[str, int]:
    cursor = await connection.execute(
        "SELECT state, count(*) FROM generations WHERE state IN ('queued', 'running') GROUP BY state"
    )
    return {str(state): int(count) for state, count in await cursor.fetchall()}


async def remember_key(connection: Connection, owner: str, key: str, *, body_sha256: str, generation_id: str) -> None:
    """psycopg.errors.UniqueViolation when the key is taken; waits for a transaction that is about to take it."""
    await connection.execute(
        "INSERT INTO idempotency_keys (owner, key, body_sha256, generation_id) VALUES (%s, %s, %s, %s)",
        (owner, key, body_sha256, generation_id),
    )


async def of_key(connection: Connection, owner: str, key: str) -> tuple[str, str] | None:
    """(sha256 of the body, generation id) of an idempotency key."""
    cursor = await connection.execute(
        "SELECT body_sha256, generation_id FROM idempotency_keys WHERE owner = %s AND key = %s", (owner, key)
    )
    row = await cursor.fetchone()
    return None if row is None else (str(row[0]), str(row[1]))
