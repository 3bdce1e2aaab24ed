"""Composition root: the one place that picks real adapters. One process is API, poller and task worker in one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI

from orchestrator import supervise
from orchestrator.advance import Advance
from orchestrator.api import (
    admin,
    admin_page,
    callbacks,
    create,
    deliveries,
    document,
    errors,
    events,
    generations,
    health,
    models,
    progress,
    quotes,
    stages,
    studio,
    uploads,
)
from orchestrator.api.guide import GUIDE
from orchestrator.api.observe import Observe
from orchestrator.api.services import Services
from orchestrator.feed import Feed
from orchestrator.inputs import Inputs
from orchestrator.library import Library
from orchestrator.metrics import Metrics
from orchestrator.outside import Outside
from orchestrator.pace import Pace
from orchestrator.poller import Poller
from orchestrator.queue import STALLED_SECONDS, Queue
from orchestrator.runpod_client import RunPodClient
from orchestrator.settings import Settings
from orchestrator.store import Database
from orchestrator.store.notices import Notices
from orchestrator.tasks import Tasks
from orchestrator.workforce import Workforce
from shared.artifacts import ArtifactStore
from shared.contracts.request import Batch

log = structlog.get_logger()

TASKS_AT_ONCE = 8
TASKS_POLL_SECONDS = 1.0
"""For a task whose notification was missed, e.g. while the worker was starting."""
DRAIN_SECONDS = 5.0
"""What is under way at SIGTERM may take this long; the whole stop has to be over in 10 s."""


def create_app(settings: Settings) -> FastAPI:
    """The application. Nothing is opened before its lifespan begins."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(settings, metrics) as services:
            app.state.services = services
            yield

    parts = (
        create,
        generations,
        models,
        quotes,
        uploads,
        progress,
        events,
        deliveries,
        stages,
        callbacks,
        health,
        studio,
        admin,
        admin_page,
    )
    app = FastAPI(
        title="LTX-2 video generation",
        version="0.1.0",
        description=GUIDE,
        lifespan=lifespan,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        # As they are: `include_router` would build each route's schemas once more, 0.2 s at the first request.
        routes=[route for part in parts for route in part.router.routes],
    )
    document.install(app, (Batch, uploads.UploadRequest), allow_draft=settings.allow_draft)
    errors.install(app)
    app.add_middleware(Observe, metrics=metrics)
    return app


@asynccontextmanager
async def _running(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """Open everything, start the background loops, and undo it in reverse."""
    async with AsyncExitStack() as stack:
        database_url = settings.database_url.get_secret_value()
        database = Database(database_url, connections=settings.database_pool)
        await database.open()
        stack.push_async_callback(database.close)
        queue = Queue(database.pool)
        await queue.open()
        store = stack.enter_context(ArtifactStore(settings.s3))
        library = Library(store, presign_seconds=settings.presign_seconds)
        runpod = RunPodClient(
            str(settings.runpod_endpoint_base_url), settings.runpod_api_key.get_secret_value(), count=metrics.asked
        )
        stack.push_async_callback(runpod.close)
        outside = Outside(settings.fetching)
        pace = Pace(quickest=settings.poll_seconds_min, slowest=settings.poll_seconds_max)
        advance = Advance(
            database,
            queue,
            metrics,
            first_look=lambda: pace.first,
            refuse_preview=settings.refuse_preview,
            large_endpoints=settings.large_endpoints,
            text_encoder=settings.text_encoder,
            tell_progress=settings.webhook_progress,
        )
        tasks = Tasks(
            database=database,
            advance=advance,
            runpod=runpod,
            library=library,
            sender=outside,
            settings=settings,
            metrics=metrics,
        )
        tasks.register(queue)
        poller = Poller(
            database=database, advance=advance, runpod=runpod, library=library, settings=settings, pace=pace
        )
        notices = Notices(database_url)
        loops = [
            asyncio.create_task(supervise.forever("poller", poller.run)),
            asyncio.create_task(supervise.forever("notices", notices.listen)),
            asyncio.create_task(
                supervise.forever("rescue", lambda: supervise.every(STALLED_SECONDS / 2, queue.rescue))
            ),
            asyncio.create_task(
                supervise.forever(
                    "tasks",
                    lambda: queue.work(
                        poll_seconds=TASKS_POLL_SECONDS,
                        concurrency=TASKS_AT_ONCE,
                        drain_seconds=DRAIN_SECONDS,
                    ),
                )
            ),
        ]
        stack.push_async_callback(_stop, loops)
        feed = Feed(database, notices, library)
        inputs = Inputs(database=database, library=library, outside=outside)
        workforce = Workforce(runpod, settings)
        yield Services(
            settings, database, queue, advance, library, runpod, inputs, poller, notices, feed, metrics, workforce
        )


async def _stop(loops: list[asyncio.Task[None]]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    log.info("stopped")
