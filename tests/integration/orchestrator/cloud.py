"""An orchestrator in this process, on a real socket, over a real Postgres, a real S3 and a scripted RunPod."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from pydantic import HttpUrl, SecretStr

from orchestrator.advance import Advance
from orchestrator.app import create_app
from orchestrator.metrics import Metrics
from orchestrator.queue import Queue, queue_migrations
from orchestrator.settings import ApiKey, Settings
from orchestrator.store import Database
from orchestrator.store.migrations import migrate, own_migrations
from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.contracts.vocabulary import Stage, TextEncoder
from shared.tls import trusted
from tests.fixtures_s3 import fresh_bucket
from tests.integration.orchestrator.fake_worker import FakeWorker
from tests.integration.orchestrator.scripted_runpod import ScriptedJob, ScriptedRunPod, endpoint_of, make_app, serving
from tests.waiting import eventually

KEY, OTHER_KEY, ADMIN_KEY = "key-of-mivo", "key-of-somebody-else", "key-of-the-operator"
WEBHOOK_SECRET = f"whsec_{base64.b64encode(b'a secret of the webhook tests').decode()}"
FINAL = {"succeeded", "failed", "canceled"}
DRAFT = {"prompt": "a lighthouse in the rain", "resolution": "draft", "duration": 1}
PATIENCE = 30  # seconds; CI may be a busy machine


def settings_for(database_url: str, bucket: S3Settings, runpod_url: str, **changes: Any) -> Settings:
    def key(name: str, token: str, **roles: bool) -> ApiKey:
        return ApiKey(name=name, sha256=hashlib.sha256(token.encode()).hexdigest(), **roles)

    values: dict[str, Any] = {
        "environment": "local",
        "database_url": SecretStr(database_url),
        "runpod_api_key": SecretStr("runpod-key"),
        "runpod_endpoint_base_url": HttpUrl(f"{runpod_url}/v2"),
        **{f"runpod_{stage}_endpoint_id": endpoint_of(stage) for stage in Stage},
        "api_keys": (key("mivo", KEY, debug=True), key("other", OTHER_KEY), key("operator", ADMIN_KEY, admin=True)),
        "webhook_secrets": (SecretStr(WEBHOOK_SECRET),),
        "rate_per_second": 1000,  # tests wait for things by asking again and again
        "rate_burst": 1000,
        "allow_draft": True,
        "allow_http_urls": True,
        "poll_seconds_min": 0.05,
        "poll_seconds_max": 0.1,
        "retry_seconds": 0.05,
        "retry_seconds_max": 0.2,
        "submit_tries": 4,
        "delivery_tries": 4,
        "s3": bucket,
    }
    return Settings(**{**values, **changes})


@dataclass(repr=False)
class Cloud:
    url: str
    http: httpx.AsyncClient
    runpod: ScriptedRunPod
    worker: FakeWorker
    store: ArtifactStore
    settings: Settings
    database_url: str

    async def create(self, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        answer = await self.http.post("/api/generations", json={**DRAFT, **fields}, headers=headers)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def get(self, generation_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/generations/{generation_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ended(self, generation_id: str) -> dict[str, Any]:
        """The generation, once it is final."""
        ended: dict[str, Any] = await eventually(lambda: self._if_final(generation_id))
        return ended

    async def _if_final(self, generation_id: str) -> dict[str, Any] | None:
        found = await self.get(generation_id)
        return found if found["state"] in FINAL else None

    async def job(self, stage: Stage, *, number: int = 0) -> ScriptedJob:
        """The job that RunPod was given, once it was."""

        async def given() -> ScriptedJob | None:
            jobs = self.runpod.of(stage)
            return jobs[number] if len(jobs) > number else None

        job: ScriptedJob = await eventually(given)
        return job

    async def seen(self, generation_id: str, state: str) -> dict[str, Any]:
        """The generation, once its newest stage run is in this state."""

        async def reached() -> dict[str, Any] | None:
            found = await self.get(generation_id)
            return found if found["stages"][-1]["state"] == state else None

        found: dict[str, Any] = await eventually(reached)
        return found

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Replica:
    """The inside of another orchestrator: its own pool, no loops."""

    database: Database
    queue: Queue
    advance: Advance


@asynccontextmanager
async def replica(database_url: str) -> AsyncIterator[Replica]:
    database = Database(database_url, connections=8)
    await database.open()
    try:
        queue = Queue(database.pool)
        await queue.open()
        advance = Advance(
            database,
            queue,
            Metrics(),
            first_look=lambda: 60,
            refuse_preview=False,
            large_endpoints={},
            text_encoder=TextEncoder.SINGLE,
            tell_progress=False,
        )
        yield Replica(database, queue, advance)
    finally:
        await database.close()


@asynccontextmanager
async def orchestrating(settings: Settings, token: str = KEY) -> AsyncIterator[httpx.AsyncClient]:
    """One replica, and a client of it that has a key."""
    async with (
        serving(create_app(settings)) as url,
        httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE,
            trust_env=False,
            verify=trusted(),
        ) as http,
    ):
        yield http


@asynccontextmanager
async def cloud_over(database_url: str, bucket: S3Settings, **changes: Any) -> AsyncIterator[Cloud]:
    """Everything, with settings that a test may change; stages are rendered at once by a fake worker."""
    runpod = ScriptedRunPod()
    with ArtifactStore(bucket) as store:
        worker = FakeWorker(store)
        runpod.worker = worker
        async with serving(make_app(runpod)) as runpod.url:
            settings = settings_for(database_url, bucket, runpod.url, **changes)
            async with orchestrating(settings) as http:
                url = str(http.base_url).rstrip("/")
                yield Cloud(url, http, runpod, worker, store, settings, database_url)


@asynccontextmanager
async def fresh_cloud(new_database: Callable[[], str], server: S3Settings, **changes: Any) -> AsyncIterator[Cloud]:
    """Everything over a database and a bucket of its own: for fixtures of a wider scope than one test."""
    database_url = new_database()
    await migrate(database_url, queue_migrations, own_migrations)
    with fresh_bucket(server) as bucket:
        setup(bucket)
        async with cloud_over(database_url, bucket, **changes) as cloud:
            yield cloud
