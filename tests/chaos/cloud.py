"""The local cloud with a fault proxy on every link, and the ways to look at it and to ask it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row

from local import postgres
from local.cloud import Cloud, Facts
from local.layout import Options
from shared.contracts.vocabulary import Stage
from tests import processes
from tests.chaos.plan import REPLICAS, WORKERS, Link, Part
from tests.chaos.proxy import FaultProxy

QUICK_S3 = {"S3_CONNECT_SECONDS": "2", "S3_READ_SECONDS": "5", "S3_PART_BYTES": str(5 * 2**20)}
"""Silence is given up sooner than in production, so that a short run sees it; parts, so that 720p is multipart."""


@dataclass(frozen=True)
class ChaosCloud:
    cloud: Cloud
    proxies: dict[Link, FaultProxy]
    password: str
    """Of the database, as the orchestrators are told it."""
    users: tuple[httpx.AsyncClient, ...]
    """One client of each orchestrator."""
    gateway: httpx.AsyncClient

    @property
    def facts(self) -> Facts:
        return self.cloud.facts

    @property
    def state(self) -> Path:
        return self.cloud.options.state

    async def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """From the orchestrators' database, past the proxies."""
        async with await psycopg.AsyncConnection.connect(
            self.facts.database_url, row_factory=dict_row, connect_timeout=5
        ) as connection:
            found: list[dict[str, Any]] = await (await connection.execute(query.encode(), values)).fetchall()
        return found

    async def workers(self) -> dict[str, dict[str, Any]]:
        """What the gateway knows of them, by name."""
        answer = (await self.gateway.get("/_admin/workers")).raise_for_status()
        return {worker["worker"]: worker for worker in answer.json()}

    def pid(self, part: Part, service: str) -> int | None:
        """The process that a kill means, while there is one."""
        leader = self.cloud.supervisor.pid(service)
        if leader is None or part not in {Part.PING_CHILD, Part.ENGINE}:
            return leader
        wanted = "comfyui_preview" if part is Part.ENGINE else f"workers.{service.rpartition('-')[0]}.handler"
        found = [child.pid for child in processes.children(self.state, leader) if wanted in child.command]
        return found[0] if found else None


@asynccontextmanager
async def chaos_cloud(state: Path) -> AsyncIterator[ChaosCloud]:
    async with AsyncExitStack() as stack:
        proxies = {link: await stack.enter_async_context(FaultProxy()) for link in Link}
        password = secrets.token_urlsafe(24)
        cloud = Cloud(_options(state, {link: proxy.address for link, proxy in proxies.items()}, password))
        _connect(proxies, cloud)
        await stack.enter_async_context(cloud)
        users = [await stack.enter_async_context(_client(url, cloud.facts.api_key)) for url in cloud.facts.api_urls]
        gateway = await stack.enter_async_context(_client(cloud.facts.gateway_url, cloud.facts.runpod_key))
        yield ChaosCloud(cloud, proxies, password, tuple(users), gateway)


def _options(state: Path, at: dict[Link, str], password: str) -> Options:
    return Options(
        state=state,
        workers=dict.fromkeys(Stage, WORKERS),
        orchestrators=REPLICAS,
        port=0,
        worker_runpod_url=f"http://{at[Link.WORKER_GATEWAY]}/v2",
        worker={
            **QUICK_S3,
            "S3_ENDPOINT_URL": f"http://{at[Link.WORKER_S3]}",
            "COMFYUI_EXTRA_ARGS": "--step-seconds 0.05",
        },
        orchestrator={
            **QUICK_S3,
            "S3_ENDPOINT_URL": f"http://{at[Link.ORCHESTRATOR_S3]}",
            "DATABASE_URL": f"postgresql://postgres:{password}@{at[Link.ORCHESTRATOR_POSTGRES]}/orchestrator",
            "RUNPOD_ENDPOINT_BASE_URL": f"http://{at[Link.ORCHESTRATOR_GATEWAY]}/v2",
        },
        gateway={"GATEWAY_WEBHOOK_GAP_SECONDS": "2"},
    )


def _connect(proxies: dict[Link, FaultProxy], cloud: Cloud) -> None:
    storage = urlsplit(cloud.layout.storage.endpoint_url)
    s3 = (str(storage.hostname), int(storage.port or 0))
    gateway = ("127.0.0.1", cloud.layout.gateway_port)
    database = str(postgres.socket_folder(cloud.options.state / "postgres") / ".s.PGSQL.5432")
    proxies[Link.ORCHESTRATOR_GATEWAY].upstream = proxies[Link.WORKER_GATEWAY].upstream = gateway
    proxies[Link.ORCHESTRATOR_S3].upstream = proxies[Link.WORKER_S3].upstream = s3
    proxies[Link.ORCHESTRATOR_POSTGRES].upstream = database


def _client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False)
