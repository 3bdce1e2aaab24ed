"""Real processes on one Postgres: stopped politely in the middle of things, or killed; others go on.

RunPod's /run can be held, so that a stop surely strikes a submit under way; the receiver's answer, a delivery.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from orchestrator.queue import STALLED_SECONDS
from shared.artifacts import ArtifactStore, S3Settings
from shared.contracts.vocabulary import Stage
from shared.ports import free_ports
from tests.integration.orchestrator.cloud import DRAFT, WEBHOOK_SECRET
from tests.integration.orchestrator.fake_worker import FakeWorker
from tests.integration.orchestrator.scripted_runpod import ScriptedJob, ScriptedRunPod, make_app, serving
from tests.integration.orchestrator.test_orchestrator_cli import END_SECONDS, environment, serve
from tests.waiting import eventually

ONE_STAGE = {**DRAFT, "spatial_upscale": False}


@dataclass
class Receiver:
    """Of webhooks. While `gate` is not set it does not answer; `waiting` counts who waits."""

    told: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    url: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/hook")
        async def hook(request: Request) -> Response:
            self.waiting += 1
            await self.gate.wait()
            self.told[(await request.json())["data"]["id"]] += 1
            return Response(status_code=200)

        return app


@dataclass
class Field:
    runpod: ScriptedRunPod
    worker: FakeWorker
    receiver: Receiver
    env: dict[str, str]
    log: Path
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, /run takes the job and does not answer."""

    async def held_run(self, job: ScriptedJob) -> None:
        await self.held.wait()
        await self.worker(job)

    def replica(self) -> Any:
        """`async with field.replica() as (process, http)`."""
        return serve({**self.env, "PORT": str(free_ports(1)[0])}, self.log)

    async def create(self, http: httpx.AsyncClient, **fields: Any) -> str:
        answer = await http.post("/api/generations", json={**ONE_STAGE, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


async def ended(http: httpx.AsyncClient, made: list[str], *, seconds: float = 60) -> list[dict[str, Any]]:
    async def all_final() -> list[dict[str, Any]] | None:
        found = [(await http.get(f"/api/generations/{one}")).json() for one in made]
        return found if all(one["state"] not in {"queued", "running"} for one in found) else None

    done: list[dict[str, Any]] = await eventually(all_final, seconds=seconds)
    return done


@pytest.fixture
async def ground(migrated_url: str, s3_settings: S3Settings, tmp_path: Path) -> AsyncIterator[Field]:
    @asynccontextmanager
    async def built() -> AsyncIterator[Field]:
        async with AsyncExitStack() as stack:
            runpod, receiver = ScriptedRunPod(), Receiver()
            runpod.url = await stack.enter_async_context(serving(make_app(runpod)))
            receiver.url = await stack.enter_async_context(serving(receiver.app()))
            worker = FakeWorker(stack.enter_context(ArtifactStore(s3_settings)))
            env = environment(migrated_url, s3_settings, runpod.url, 0) | {
                "ALLOW_HTTP_URLS": "true",
                "WEBHOOK_SECRETS": WEBHOOK_SECRET,
                "RETRY_SECONDS": "0.1",
                "POLL_SECONDS_MAX": "0.5",
                "RATE_BURST": "10000",  # whoever waits for many generations asks often
            }
            found = Field(runpod, worker, receiver, env, tmp_path / "replicas.log")
            runpod.worker = found.held_run
            receiver.gate.set()
            try:
                yield found
            finally:
                found.held.set()
                receiver.gate.set()

    async with built() as found:
        yield found


async def stopped(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(END_SECONDS):
        assert await process.wait() == 0


async def count_waiting(receiver: Receiver) -> bool:
    return receiver.waiting > 0


async def test_a_polite_stop_lets_the_submit_under_way_end(ground: Field) -> None:
    async with ground.replica() as (first, http):
        made = await ground.create(http)
        await eventually(lambda: _jobs(ground, 1))
        first.send_signal(signal.SIGTERM)

        async def refuses() -> bool:  # it is stopping: nobody new is let in
            try:
                await http.get("/healthz")
            except httpx.TransportError:
                return True
            return False

        await eventually(refuses)
        ground.held.set()
        async with asyncio.timeout(END_SECONDS):
            assert await first.wait() == 0
    async with ground.replica() as (_, http):
        [done] = await ended(http, [made])
    assert done["state"] == "succeeded"
    assert len(done["stages"]) == len(ground.runpod.jobs) == 1, "the reply of /run was not lost"
    assert ground.worker.renders == {Stage.BASE_GEN: 1}


async def _jobs(ground: Field, count: int) -> bool:
    return len(ground.runpod.jobs) >= count


async def test_a_submit_that_outlasts_the_stop_is_handed_on_at_once(ground: Field) -> None:
    async with ground.replica() as (first, http):
        made = await ground.create(http)
        await eventually(lambda: _jobs(ground, 1))  # the first one's, as there is no other yet
        async with ground.replica() as (_, other):
            await stopped(first)
            # by its own word, long before its silence would be noticed
            await eventually(lambda: _jobs(ground, 2), seconds=STALLED_SECONDS / 2)
            ground.held.set()
            [done] = await ended(other, [made])
    assert done["state"] == "succeeded"
    assert [run["attempt"] for run in done["stages"]] == [1], "no attempt was used up"
    assert len({job.body["input"]["attempt_id"] for job in ground.runpod.jobs}) == 1


async def test_a_delivery_that_outlasts_the_stop_is_handed_on(ground: Field) -> None:
    ground.held.set()
    ground.receiver.gate.clear()

    async def told() -> bool:
        return ground.receiver.told[made] > 0

    async with ground.replica() as (first, http):
        made = await ground.create(http, webhook_url=f"{ground.receiver.url}/hook")
        await ended(http, [made])
        await eventually(lambda: count_waiting(ground.receiver))  # the first one's, as there is no other yet
        async with ground.replica():
            await stopped(first)
            ground.receiver.gate.set()
            await eventually(told, seconds=STALLED_SECONDS)


async def test_what_a_killed_replica_held_is_taken_over(ground: Field) -> None:
    """Its submit after `queue.STALLED_SECONDS` of silence and at most half that again."""
    async with ground.replica() as (first, http):
        made = await ground.create(http)
        await eventually(lambda: _jobs(ground, 1))
        first.kill()
        await first.wait()
        async with ground.replica() as (_, other):
            await eventually(lambda: _jobs(ground, 2), seconds=2 * STALLED_SECONDS)
            ground.held.set()
            [done] = await ended(other, [made])
    assert done["state"] == "succeeded"
    assert [run["attempt"] for run in done["stages"]] == [1]


async def test_replicas_that_come_and_go_lose_and_double_nothing(ground: Field) -> None:
    """Stops in the middle of submits, polls and deliveries, one after the other; then every generation is whole."""
    ground.held.set()
    made: list[str] = []
    hook = f"{ground.receiver.url}/hook"
    async with ground.replica() as (_, steady):
        for _ in range(3):
            async with ground.replica() as (comes_and_goes, http):
                made += await asyncio.gather(
                    *(ground.create(each, webhook_url=hook, temporal_upscale=True) for each in [http, steady] * 4)
                )
                await stopped(comes_and_goes)
        done = await ended(steady, made)

        async def all_told() -> bool:
            return len(ground.receiver.told) == len(made)

        await eventually(all_told)
    assert [one["state"] for one in done] == ["succeeded"] * len(made)
    assert [len(one["stages"]) for one in done] == [2] * len(made), "no run was tried again"
    assert len(ground.runpod.jobs) == 2 * len(made), "nothing was submitted twice"
    assert ground.worker.renders == {Stage.BASE_GEN: len(made), Stage.TEMPORAL_UPSCALE: len(made)}
