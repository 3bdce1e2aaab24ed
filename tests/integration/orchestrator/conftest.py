import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import psycopg
import pytest
import structlog
from fastapi import FastAPI
from psycopg import sql

from orchestrator.queue import queue_migrations
from orchestrator.store.migrations import migrate, own_migrations
from shared.artifacts import S3Settings, setup
from tests.fixtures_s3 import fresh_bucket
from tests.integration.orchestrator.cloud import Cloud, cloud_over
from tests.integration.orchestrator.scripted_runpod import serving
from tests.integration.orchestrator.webhook_receiver import Receiver

StartCloud = Callable[..., AbstractAsyncContextManager[Cloud]]


@pytest.fixture(scope="session")
def s3_settings(seaweed_settings: S3Settings) -> Iterator[S3Settings]:
    """One bucket for these tests: seeds are drawn, so no test finds the work of another."""
    with fresh_bucket(seaweed_settings) as settings:
        setup(settings)
        yield settings


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """URLs of databases that tests have left behind, empty again."""
    return []


@pytest.fixture
async def migrated_url(new_database: Callable[[], str], spare_databases: list[str]) -> AsyncIterator[str]:
    """A database of this code's schema, empty. To empty one costs a tenth of making one, and of removing it."""
    url = spare_databases.pop() if spare_databases else new_database()
    await migrate(url, queue_migrations, own_migrations)
    yield url
    if await emptied(url):
        spare_databases.append(url)


async def emptied(url: str) -> bool:
    """False when it could not be done at once: somebody is in there still, or the test has closed it."""
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("SET lock_timeout = '1s'")
            found = await connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
            )
            tables = [sql.Identifier(name) for (name,) in await found.fetchall()]
            await connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(sql.SQL(", ").join(tables)))
    except psycopg.OperationalError:  # LockNotAvailable is one
        return False
    return True


@pytest.fixture
def start_cloud(migrated_url: str, s3_settings: S3Settings) -> StartCloud:
    """Starts a cloud whose settings a test may change."""
    return partial(cloud_over, migrated_url, s3_settings)


@pytest.fixture
async def cloud(start_cloud: StartCloud) -> AsyncIterator[Cloud]:
    async with start_cloud() as started:
        yield started


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.post("/hook")(receiver.hook)
    async with serving(app) as url:
        receiver.url = f"{url}/hook"
        yield receiver


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each request would bury what a failing test shows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()
