import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
import structlog
from fastapi import FastAPI

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


@pytest.fixture
async def migrated_url(database_url: str) -> str:
    await migrate(database_url, queue_migrations, own_migrations)
    return database_url


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
