"""Forward only, and safe while the code before them still runs."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from orchestrator.plan import make_plan
from orchestrator.queue import queue_migrations
from orchestrator.store import Database, generations, runs
from orchestrator.store.migrations import Source, migrate, own_migrations
from shared.contracts.request import GenerationRequest
from tests.contract.deployment.blocks import blocks
from tests.integration.orchestrator.cloud import DRAFT, replica
from tests.waiting import eventually

NAMES = [name for name, _ in own_migrations(set())]
HARMLESS = re.compile(
    r"CREATE (UNLOGGED )?TABLE .*|CREATE (UNIQUE )?INDEX .*|INSERT .*|UPDATE .*|CREATE OR REPLACE .*"
    r"|ALTER TABLE \w+ ADD COLUMN \w+ \w+( NOT NULL DEFAULT .+| DEFAULT .+)?",
    re.DOTALL,
)
"""What code that knows nothing of it survives: more tables, more indexes, more columns that fill themselves."""

# as the code before migration 0003 said it
OLD_GENERATION = (
    "INSERT INTO generations (id, owner, state, request, plan, image, control, credits)"
    " VALUES (%s, 'mivo', 'running', %s, %s, NULL, NULL, 30)"
)
OLD_RUN = (
    "INSERT INTO stage_runs (id, generation_id, stage, attempt, state, repair, token, deadline_at, next_poll_at)"
    " SELECT %s, %s, 'base_gen', 1, 'pending', false, 'token', at, at FROM (SELECT now() + interval '15 min' AS at) x"
)
OLD_KEY = "UPDATE stage_runs SET stage_key = %s WHERE id = %s"
OLD_CLAIM = (
    "UPDATE stage_runs SET next_poll_at = now() + interval '30 s' WHERE id IN (SELECT id FROM stage_runs"
    " WHERE state IN ('pending', 'submitted', 'running') AND next_poll_at <= now() LIMIT 5 FOR UPDATE SKIP LOCKED)"
    " RETURNING *"
)
REQUEST = GenerationRequest.model_validate(DRAFT, context={"allow_draft": True})
PLAN = make_plan(REQUEST, seed=1)


def up_to(last: str) -> Source:
    return lambda done: [step for step in own_migrations(done) if step[0] <= last]


def statements(script: str) -> list[str]:
    bare = re.sub(r"--[^\n]*", "", script)
    parts = re.findall(r"(?:\$\$.*?\$\$|[^;])+", bare, re.DOTALL)  # the body of a function is one with it
    return [" ".join(part.split()) for part in parts if part.strip()]


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_migration_holds_only_what_old_code_survives(name: str) -> None:
    script = dict(own_migrations(set()))[name].decode()
    for statement in statements(script):
        assert HARMLESS.fullmatch(statement), f"{name}: code that is still running may fail over: {statement}"


def test_every_name_has_a_number_of_its_own() -> None:
    assert len({name.split("_")[0] for name in NAMES}) == len(NAMES)


@asynccontextmanager
async def old_code_at_work(database: Database) -> AsyncIterator[list[str]]:
    """Writes with the old statements, on connections as we use them; yields the ids of the runs that it made."""
    made: list[str] = []
    stop = asyncio.Event()

    async def work() -> None:
        for number in count(1):
            if stop.is_set():
                return
            name = f"{number:032x}"
            async with database.transaction() as connection:
                await connection.execute(OLD_GENERATION, (name, REQUEST.model_dump_json(), PLAN.model_dump_json()))
                await connection.execute(OLD_RUN, (name, name))
            async with database.transaction() as connection:
                await connection.execute(OLD_KEY, ("a" * 64, name))
                await connection.execute(OLD_CLAIM)
            made.append(name)

    working = asyncio.create_task(work())
    try:
        yield made
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await working


async def test_old_code_works_on_during_and_after_the_migration(database_url: str) -> None:
    """And two replicas of the new code migrate at once; then the new code reads what the old has written."""
    await migrate(database_url, queue_migrations, up_to("0002_control.sql"))
    async with replica(database_url) as over:
        async with old_code_at_work(over.database) as made:
            await eventually(lambda: _more_than(made, 20))
            applied = await asyncio.gather(*(migrate(database_url, queue_migrations, own_migrations) for _ in range(2)))
            before = len(made)
            await eventually(lambda: _more_than(made, before + 20))
        assert sorted(len(names) for names in applied) == [0, len(NAMES) - 2]
        async with over.database.transaction() as connection:
            for name in (made[0], made[-1]):
                run = await runs.get(connection, name)
                generation = await generations.get(connection, name)
                assert run is not None
                assert generation is not None
                assert run.endpoint is None, "it goes to the stage's usual endpoint"


async def _more_than(made: list[str], wanted: int) -> bool:
    return len(made) > wanted


async def test_a_request_that_stands_in_the_way_goes_first(database_url: str) -> None:
    """It holds what the migration waits for, then waits for what the migration holds: the migration gives way."""
    await migrate(database_url, queue_migrations, up_to("0002_control.sql"))
    async with replica(database_url) as over:
        async with over.database.transaction() as connection:
            await connection.execute(OLD_GENERATION, ("a" * 32, REQUEST.model_dump_json(), PLAN.model_dump_json()))
            migrating = asyncio.create_task(migrate(database_url, queue_migrations, own_migrations))
            await eventually(lambda: _waits_for_a_lock(over.database))
            await connection.execute(OLD_RUN, ("a" * 32, "a" * 32))
        assert len(await migrating) == len(NAMES) - 2


async def _waits_for_a_lock(database: Database) -> bool:
    async with database.transaction() as connection:
        found = await connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = await found.fetchone()
    return bool(row and row[0])


async def test_the_queries_of_the_operations_page_fit_the_schema(migrated_url: str) -> None:
    [block] = blocks("sql test")
    async with replica(migrated_url) as over, over.database.transaction() as connection:
        for query in filter(None, map(str.strip, block.text.split(";"))):
            await connection.execute(query.encode())
