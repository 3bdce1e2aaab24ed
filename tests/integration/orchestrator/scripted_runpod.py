"""RunPod's endpoint API on a real socket, answering as a test tells it to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.contracts.vocabulary import Stage


class Server(uvicorn.Server):
    """uvicorn inside a test's event loop: it leaves pytest's signal handlers alone, and ends promptly."""

    def capture_signals(self) -> Any:
        return nullcontext()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # noqa: ASYNC110  as uvicorn itself does, only quicker
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The app on a free port of loopback; its URL."""
    how = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,  # clients hang up first
    )
    server = Server(how)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                if task.done():
                    await task
                    raise RuntimeError("the server did not start")
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(20):
            await task


@dataclass
class ScriptedJob:
    id: str
    stage: Stage
    body: dict[str, Any]
    endpoint: str = ""
    status: str = "IN_QUEUE"
    output: Any = None
    error: Any = None
    known: bool = True
    """False: expired; /status says 404."""


Worker = Callable[[ScriptedJob], Awaitable[None]]


@dataclass
class ScriptedRunPod:
    """Jobs as RunPod shows them. `worker` is called for each accepted job; without it, tests move the jobs."""

    worker: Worker | None = None
    jobs: list[ScriptedJob] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    run_answers: deque[int | str] = field(default_factory=deque)
    """What happens to the next calls of /run: a status code, or `lose` (taken, but the reply is cut off)."""
    status_answers: deque[int] = field(default_factory=deque)
    """Status codes of the next calls of /status."""
    gate: asyncio.Event | None = None
    """While it is not set, /status does not answer; `waiting` counts who waits."""
    waiting: int = 0
    asked: int = 0
    """Calls of /status."""
    healthy: bool = True
    url: str = ""

    def of(self, stage: Stage) -> list[ScriptedJob]:
        return [job for job in self.jobs if job.stage is stage]

    def find(self, job_id: str, endpoint: str) -> ScriptedJob | None:
        return next((job for job in self.jobs if job.id == job_id and job.endpoint == endpoint), None)


class CutOff(Response):
    """Headers, and then the connection ends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


def endpoint_of(stage: Stage) -> str:
    return f"scripted-{stage.replace('_', '-')}"


def make_app(runpod: ScriptedRunPod) -> FastAPI:
    app = FastAPI()
    app.post("/v2/{endpoint}/run")(partial(_run, runpod))
    app.get("/v2/{endpoint}/status/{job_id}")(partial(_status, runpod))
    app.post("/v2/{endpoint}/cancel/{job_id}")(partial(_cancel, runpod))
    app.get("/v2/{endpoint}/health")(partial(_health, runpod))
    return app


async def _run(runpod: ScriptedRunPod, endpoint: str, request: Request) -> Response:
    answer = runpod.run_answers.popleft() if runpod.run_answers else 200
    if isinstance(answer, int) and answer != 200:
        return Response(status_code=answer)
    stage = next(stage for stage in Stage if endpoint.startswith(endpoint_of(stage)))
    job = ScriptedJob(id=f"{uuid4().hex}-e1", stage=stage, body=await request.json(), endpoint=endpoint)
    runpod.jobs.append(job)
    if runpod.worker is not None:
        await runpod.worker(job)
    if answer == "lose":
        return CutOff()
    return JSONResponse({"id": job.id, "status": "IN_QUEUE"})


async def _status(runpod: ScriptedRunPod, endpoint: str, job_id: str) -> Response:
    runpod.asked += 1
    job = runpod.find(job_id, endpoint)
    if runpod.gate is not None:
        runpod.waiting += 1
        await runpod.gate.wait()
    if runpod.status_answers:
        return Response(status_code=runpod.status_answers.popleft())
    if job is None or not job.known:
        return Response(status_code=404)
    shown = {"id": job.id, "status": job.status, "delayTime": 10, "workerId": "w1"}
    if job.status not in {"IN_QUEUE", "IN_PROGRESS"}:
        shown["executionTime"] = 20
    if job.output is not None:
        shown["output"] = job.output
    if job.error is not None:
        shown["error"] = job.error
    return JSONResponse(shown)


async def _cancel(runpod: ScriptedRunPod, endpoint: str, job_id: str) -> Response:
    job = runpod.find(job_id, endpoint)
    runpod.canceled.append(job_id)
    if job is None:
        return Response(status_code=404)
    job.status = "CANCELLED"
    return JSONResponse({"id": job_id, "status": "CANCELLED"})


async def _health(runpod: ScriptedRunPod, endpoint: str) -> Response:
    del endpoint
    if not runpod.healthy:
        return Response(status_code=500)
    return JSONResponse({"jobs": {"inQueue": 0}, "workers": {"idle": 1}})
