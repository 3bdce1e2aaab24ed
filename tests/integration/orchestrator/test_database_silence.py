"""A database that takes connections and says nothing: a statement ends with an error, and the next one works."""

import math
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from orchestrator.store import Database
from tests.chaos.proxy import FaultProxy, Trouble

ANSWER_SECONDS = 0.5
PATIENCE = 10


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy() as made:
        made.upstream = f"{parse_qs(urlsplit(database_url).query)['host'][0]}/.s.PGSQL.5432"
        yield made


def through(proxy: FaultProxy, database_url: str) -> str:
    return f"postgresql://postgres@{proxy.address}{urlsplit(database_url).path}"


@pytest.fixture
async def database(proxy: FaultProxy, database_url: str) -> AsyncIterator[Database]:
    made = Database(through(proxy, database_url), connections=4, answer_seconds=ANSWER_SECONDS)
    await made.open()
    yield made
    await made.close()


async def ask(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")


async def let_age(database: Database) -> None:
    """As if nobody had asked its connections for long."""
    async with database.pool.connection() as one, database.pool.connection() as other:
        pass
    one.answered_at = other.answered_at = -math.inf


async def test_a_statement_that_is_not_answered_fails_in_time(database: Database, proxy: FaultProxy) -> None:
    async def fall_silent_in_the_middle() -> None:
        async with database.transaction() as connection:
            proxy.break_with(Trouble.HALF_OPEN)
            await connection.execute("SELECT 1")

    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="no answer"):
        await fall_silent_in_the_middle()
    assert time.monotonic() - began < PATIENCE


async def test_connections_that_died_in_the_pool_are_replaced(database: Database, proxy: FaultProxy) -> None:
    await ask(database)
    await let_age(database)
    proxy.break_with(Trouble.HALF_OPEN)
    proxy.heal()
    began = time.monotonic()
    await ask(database)
    assert time.monotonic() - began < PATIENCE


async def test_a_slow_statement_has_the_time_of_the_server(database: Database) -> None:
    """The server ends it sooner, in its own words."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(5)")
