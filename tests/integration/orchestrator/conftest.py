from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from orchestrator.queue import queue_migrations
from orchestrator.store.migrations import migrate, own_migrations
from shared.artifacts import ArtifactStore, S3Settings
from tests.integration.orchestrator.cloud import Cloud, orchestrating, settings_for
from tests.integration.orchestrator.fake_worker import FakeWorker
from tests.integration.orchestrator.scripted_runpod import ScriptedRunPod, make_app, serving

Starter = Callable[..., AbstractAsyncContextManager[Cloud]]


@pytest.fixture
async def migrated_url(database_url: str) -> str:
    await migrate(database_url, queue_migrations, own_migrations)
    return database_url


@pytest.fixture
def start_cloud(migrated_url: str, s3_settings: S3Settings) -> Starter:
    """Starts a cloud whose settings a test may change; stages are rendered at once by a fake worker."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Cloud]:
        runpod = ScriptedRunPod()
        with ArtifactStore(s3_settings) as store:
            worker = FakeWorker(store)
            runpod.worker = worker
            async with serving(make_app(runpod)) as runpod.url:
                settings = settings_for(migrated_url, s3_settings, runpod.url, **changes)
                async with orchestrating(settings) as http:
                    yield Cloud(
                        url=str(http.base_url).rstrip("/"),
                        http=http,
                        runpod=runpod,
                        worker=worker,
                        store=store,
                        settings=settings,
                        database_url=migrated_url,
                    )

    return start


@pytest.fixture
async def cloud(start_cloud: Starter) -> AsyncIterator[Cloud]:
    async with start_cloud() as started:
        yield started
