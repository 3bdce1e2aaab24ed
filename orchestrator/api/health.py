"""/healthz: the process lives. /readyz: it can do its work. /metrics: what it has done."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus

import psycopg
from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import PoolTimeout

from orchestrator.api.answers import Alive, Readiness
from orchestrator.api.auth import Observer
from orchestrator.api.document import WITH_KEY, answers
from orchestrator.api.services import Injected
from orchestrator.store import generations, runs
from orchestrator.workforce import worker_counts
from shared.errors import MivoError

router = APIRouter(tags=["health"])

READY_SECONDS = 8.0


@router.get("/healthz", response_model=None, responses={HTTPStatus.OK.value: {"model": Alive, "description": "Alive"}})
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get(
    "/readyz",
    responses={
        status.value: {"model": Readiness, "description": status.phrase}
        for status in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    },
)
async def readyz(services: Injected) -> JSONResponse:
    """200 when database, storage and every endpoint answer; else 503 with what does not."""
    checks: dict[str, Awaitable[object]] = {
        "database": services.database.ensure_ready(),
        "storage": services.library.ensure_ready(),
    }
    for stage, endpoint in services.settings.endpoints.items():
        checks[f"endpoint_{stage}"] = services.runpod.health(endpoint)
    found = await asyncio.gather(*(_checked(check) for check in checks.values()))
    shown = dict(zip(checks, found, strict=True))
    ready = all(said == "ok" for said in found)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": shown}, status)


async def _checked(check: Awaitable[object]) -> str:
    try:
        await asyncio.wait_for(check, READY_SECONDS)
    except MivoError as error:
        return str(error)
    except (psycopg.Error, PoolTimeout, TimeoutError) as error:
        return f"no answer: {type(error).__name__}"
    return "ok"


@router.get("/metrics", response_class=PlainTextResponse, responses=answers(str, *WITH_KEY))
async def metrics(services: Injected, _key: Observer) -> Response:
    """Prometheus text, for keys with the role `metrics` or `debug`.

    What is in flight is read from the database, and workers from RunPod: every replica shows the same.
    """
    services.metrics.seen(worker_counts(await services.workforce.look()))
    async with services.database.transaction() as connection:
        live = await generations.count_live(connection)
        live_runs = await runs.count_live(connection)
        poll_late = await runs.poll_late(connection)
        tasks_late = await services.queue.late(connection)
    services.metrics.live(generations=live, runs=live_runs, poll_late=poll_late, tasks_late=tasks_late)
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
