"""Many speakers, one truth: whatever is said at once about one run, its effects happen once."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import Rollback

from orchestrator.advance import Created
from orchestrator.plan import make_plan
from orchestrator.queue import DELIVER, SUBMIT
from orchestrator.store import runs
from orchestrator.transitions import CancelAsked, Event, Failed, Finished, RunState, Started, Submitted
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import TransientError
from tests.integration.orchestrator.cloud import DRAFT, Replica, replica

LOST = Failed(TransientError("worker_lost", "gone").body(), RunState.LOST)


def finished(stage: Stage = Stage.BASE_GEN) -> Finished:
    def made(role: str) -> Artifact:
        return Artifact(key=f"latents/x/y/{role}", sha256="0" * 64, bytes=1, media_type="application/x-safetensors")

    return Finished(
        Manifest(
            stage=stage,
            stage_key="0" * 64,
            attempt_id="f" * 32,
            created_at=datetime.now(UTC),
            artifacts={role: made(role) for role in ("video_latent", "audio_latent", "conditioning")},
            params={},
            recipe={},
            models={},
        )
    )


async def started(over: Replica) -> tuple[str, str]:
    """(generation, run) that nobody works on: no worker loop runs in this test."""
    fields = {**DRAFT, "webhook_url": "https://receiver.example/hook"}
    request = GenerationRequest.model_validate(fields, context={"allow_draft": True})
    plan = make_plan(request, seed=1)
    async with over.database.transaction() as connection:
        created = Created(owner="mivo", request=request, plan=plan, image=None, control=None, credits_asked=30)
        generation, _ = await over.advance.create(connection, created)
        [run] = await runs.of_generation(connection, generation.id)
    return generation.id, run.id


async def count(over: Replica, query: str) -> int:
    async with over.database.pool.connection() as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


def tasks(name: str) -> str:
    return f"SELECT count(*) FROM procrastinate_jobs WHERE task_name = '{name}'"  # noqa: S608  names of ours


@pytest.mark.parametrize(
    ("event", "stage_runs", "submits", "announced"),
    [(finished(), 2, 2, 0), (LOST, 2, 2, 0), (Submitted("r-1"), 1, 1, 0), (Started(), 1, 1, 0)],
)
async def test_two_replicas_that_say_the_same_at_once_act_once(
    migrated_url: str, event: Event, stage_runs: int, submits: int, announced: int
) -> None:
    async with replica(migrated_url) as one, replica(migrated_url) as two:
        _, run_id = await started(one)
        await asyncio.gather(*(over.advance.on_run(run_id, event) for over in [one, two] * 15))
        assert await count(one, "SELECT count(*) FROM stage_runs") == stage_runs
        assert await count(one, tasks(SUBMIT)) == submits
        assert await count(one, tasks(DELIVER)) == announced


async def test_cancels_and_ends_that_race_settle_credits_once(migrated_url: str) -> None:
    async with replica(migrated_url) as one, replica(migrated_url) as two:
        for _ in range(5):
            generation_id, run_id = await started(one)
            fatal = Failed(TransientError("worker_lost", "gone").body().model_copy(update={"code": "internal"}))
            await asyncio.gather(
                *(over.advance.cancel(generation_id) for over in [one, two] * 4),
                *(over.advance.on_run(run_id, fatal) for over in [one, two] * 4),
            )
        ended = "SELECT count(*) FROM generations WHERE state IN ('canceled', 'failed') AND credits_refund = 30"
        assert await count(one, ended) == 5
        assert await count(one, tasks(DELIVER)) == 5
        assert await count(one, "SELECT count(*) FROM deliveries") == 5
        final = "SELECT count(*) FROM events WHERE type IN ('generation.canceled', 'generation.failed')"
        assert await count(one, final) == 5
        counted = "(SELECT count(*) FROM events e WHERE e.generation_id = id)"
        holes = f"SELECT count(*) FROM generations WHERE last_seq <> {counted}"  # noqa: S608  words of ours
        assert await count(one, holes) == 0


async def test_nothing_leaves_a_final_state(migrated_url: str) -> None:
    async with replica(migrated_url) as over:
        generation_id, run_id = await started(over)
        assert await over.advance.cancel(generation_id)
        assert not await over.advance.cancel(generation_id)
        for event in (finished(), LOST, Started(), CancelAsked()):
            await over.advance.on_run(run_id, event)
        assert await count(over, "SELECT count(*) FROM stage_runs WHERE state = 'canceled'") == 1
        assert await count(over, "SELECT count(*) FROM stage_runs") == 1


async def test_a_task_is_deferred_with_the_transaction_or_not_at_all(migrated_url: str) -> None:
    async with replica(migrated_url) as over:
        async with over.database.transaction() as connection:
            await over.queue.defer(connection, SUBMIT, run_id="never")
            raise Rollback
        assert await count(over, tasks(SUBMIT)) == 0
        async with over.database.transaction() as connection:
            await over.queue.defer(connection, SUBMIT, after=3600, run_id="later")
            async with over.database.pool.connection() as elsewhere:
                seen = await (await elsewhere.execute(tasks(SUBMIT).encode())).fetchone()
            assert seen == (0,)  # nobody sees it before the commit
        assert await count(over, tasks(SUBMIT) + " AND scheduled_at > now() + interval '59 min'") == 1


async def test_the_database_itself_refuses_a_second_live_run(migrated_url: str) -> None:
    async with replica(migrated_url) as over:
        generation_id, _ = await started(over)
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with over.database.transaction() as connection:
                await runs.insert(
                    connection,
                    run_id="e" * 32,
                    generation_id=generation_id,
                    stage=Stage.SPATIAL_UPSCALE,
                    attempt=1,
                    repair=False,
                    endpoint=None,
                    token="x",
                    seconds=1,
                )


async def test_claims_are_shared_out(migrated_url: str) -> None:
    async with replica(migrated_url) as one, replica(migrated_url) as two:
        made = {(await started(one))[1] for _ in range(20)}
        async with one.database.pool.connection() as connection:
            await connection.execute("UPDATE stage_runs SET next_poll_at = now()")

        async def claim(over: Replica) -> list[str]:
            async with over.database.transaction() as connection:
                found = await runs.claim_due(connection, limit=7, lease=60, contract=CONTRACT_VERSION)
                return [claimed.run_id for claimed in found]

        claimed = [
            run_id for batch in await asyncio.gather(*(claim(over) for over in [one, two] * 3)) for run_id in batch
        ]
        assert sorted(claimed) == sorted(made)


async def test_a_task_of_a_killed_worker_is_rescued(migrated_url: str) -> None:
    async with replica(migrated_url) as over:
        await started(over)
        async with over.database.pool.connection() as connection:
            await connection.execute(
                "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
                " VALUES (now() - interval '1 min') RETURNING id)"
                " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM dead)"
            )
        assert await over.queue.rescue() == 1
        assert await over.queue.rescue() == 0
        assert await count(over, tasks(SUBMIT) + " AND status = 'todo'") == 1


@pytest.mark.parametrize(("age", "rescued"), [(10, 0), (121, 1)])
async def test_a_task_that_a_living_worker_has_lost_is_rescued(migrated_url: str, age: int, rescued: int) -> None:
    """Its worker could not write down how it ended, and lives on."""
    async with replica(migrated_url) as over:
        await started(over)
        async with over.database.pool.connection() as connection:
            await connection.execute(
                "WITH living AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id)"
                " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM living)"
            )
            await connection.execute(
                "UPDATE procrastinate_events SET at = now() - make_interval(secs => %s) WHERE type = 'started'", (age,)
            )
        assert await over.queue.rescue() == rescued
        assert await over.queue.rescue() == 0
        assert await count(over, tasks(SUBMIT) + " AND status = 'todo'") == rescued
