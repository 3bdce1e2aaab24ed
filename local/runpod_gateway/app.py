"""The application, and the server that lets go of held polls when it stops."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import psycopg
import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from local.runpod_gateway import admin_api, client_api, worker_api
from local.runpod_gateway.bells import Bells
from local.runpod_gateway.database import Database, open_pool
from local.runpod_gateway.gateway import Gateway
from local.runpod_gateway.reaper import reap_forever
from local.runpod_gateway.settings import Settings
from local.runpod_gateway.store import JobStore
from local.runpod_gateway.webhooks import WebhookSender
from local.runpod_gateway.worker_store import WorkerStore

log = structlog.get_logger("gateway")


def create_app(settings: Settings) -> FastAPI:
    """The gateway over the database of the settings; the schema is made when the application starts."""
    bells = Bells()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_pool(settings.database_url) as pool:
            database = Database(pool, bells)
            spans = (timedelta(seconds=s) for s in (settings.leaving_seconds, settings.worker_gone_seconds))
            jobs = JobStore(database, settings.rules())
            app.state.gateway = Gateway(settings, settings.rules(), bells, jobs, WorkerStore(database, *spans))
            sender = WebhookSender(database, bells, settings.webhook_gap_seconds, settings.webhook_timeout_seconds)
            app.state.background = [
                _background("reaper", reap_forever(jobs, settings.sweep_seconds)),
                _background("webhooks", sender.run()),
            ]
            yield
            for task in app.state.background:
                task.cancel()
            for task in app.state.background:
                with suppress(asyncio.CancelledError):
                    await task

    app = FastAPI(title="RunPod-compatible gateway", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.bells = bells
    for router in (client_api.router, worker_api.polls, worker_api.results, admin_api.router):
        app.include_router(router)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(psycopg.OperationalError, _database_down)
    app.add_exception_handler(psycopg.DataError, _unstorable)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """200 while the database answers and the background work goes on."""
        await app.state.gateway.jobs.recent("")
        dead = [task.get_name() for task in app.state.background if task.done()]
        return JSONResponse({"dead": dead}, status_code=503 if dead else 200)

    return app


class Server(uvicorn.Server):
    """uvicorn, which by itself would wait at its end for every held poll."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)
        super().__init__(
            uvicorn.Config(
                self._app,
                host=settings.host,
                port=settings.port,
                access_log=False,  # two polls and a ping per worker
                log_level="warning",
                ws="none",
                timeout_graceful_shutdown=2,
                timeout_keep_alive=75,  # longer than a hold, so that no keep-alive socket dies under a worker
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.bells.close()
        await super().shutdown(sockets)


def _background(name: str, work: "asyncio._CoroutineLike[None]") -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report_death)
    return task


def _report_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("background work died", task=task.get_name(), exc_info=error)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """A parameter is out of its range: 400, as the platform has no 422."""
    return JSONResponse({"error": str(error)}, status_code=429 if _is_poll(request) else 400)


async def _database_down(request: Request, error: Exception) -> JSONResponse:
    log.error("database unavailable", error=type(error).__name__, path=request.url.path)
    code = 429 if _is_poll(request) else 500
    return JSONResponse({"error": "the gateway's database is unavailable"}, status_code=code)


async def _unstorable(request: Request, _: Exception) -> JSONResponse:
    """A NUL in a name, for instance: nothing of ours has such a name."""
    return JSONResponse({"error": "no such thing"}, status_code=429 if _is_poll(request) else 400)


def _is_poll(request: Request) -> bool:
    """Whether a worker asks in a loop: it would spin on any error but 429 (facts/runpod.md, fact 9)."""
    return any(f"/{kind}/" in request.url.path for kind in ("job-take", "job-take-batch", "job-stop", "ping"))
