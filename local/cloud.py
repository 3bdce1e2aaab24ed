"""The whole cloud on one machine: Postgres, S3, the RunPod gateway, workers per stage, the orchestrator.

Order matters: each floor is ready before the next one starts. Everything dies with this process.
"""

import asyncio
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from local import postgres
from local.control import Control, staffing
from local.identities import identities
from local.layout import PYTHON, Keys, Layout, Options
from local.seaweed import seaweed
from local.supervisor import Service, Supervisor
from shared.artifacts import S3Settings
from shared.artifacts.bucket import setup
from shared.contracts.vocabulary import Stage
from shared.ports import HOST, claim, free_ports
from shared.tls import trusted

FACTS = "cloud.json"


@dataclass(frozen=True)
class Facts:
    """What somebody needs to use the running cloud; also in <state>/cloud.json, readable by its owner only."""

    api_urls: tuple[str, ...]
    api_key: str
    admin_key: str
    runpod_base_url: str
    runpod_key: str
    endpoints: dict[str, str]
    s3: dict[str, str]
    gateway_url: str
    database_url: str
    logs: str
    webhook_secret: str

    @property
    def api_url(self) -> str:
        return self.api_urls[0]


class Cloud:
    """`async with Cloud(options) as cloud: cloud.facts`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        options.state.mkdir(parents=True, exist_ok=True)
        (options.state / "home").mkdir(exist_ok=True)
        self.supervisor = Supervisor(options.state / "logs")
        keys = Keys.of(options.state)
        self._port_claim = _claim(options.port)
        gateway_port, *spare = free_ports(1 + options.orchestrators)
        self.layout = Layout(
            options=options,
            keys=keys,
            storage=seaweed(
                options.state / "s3",
                access_key_id=keys.s3_id,
                secret_access_key=keys.s3_secret,
                identities=identities(options.bucket, keys.s3_secret),
            ),
            gateway_port=gateway_port,
            api_ports=(options.port if self._port_claim else spare[0], *spare[1:]),
        )
        self.control = Control(options.state, self.scale)
        self._workers: dict[Stage, list[int]] = {stage: [] for stage in Stage}
        self._scaling = asyncio.Lock()
        self.facts: Facts

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Workers first, storage last."""
        await self.control.close()
        await self.supervisor.stop()
        self.layout.storage.sweep()
        if self._port_claim:
            self._port_claim.close()
        (self.options.state / FACTS).unlink(missing_ok=True)

    async def scale(self, wanted: Mapping[Stage, int]) -> dict[Stage, int]:
        """Other numbers of workers while everything runs; the workers of all stages then.

        Workers that have no job are retired first. One in mid-job gives it up with `worker_lost`, for another worker.
        """
        async with self._scaling:
            added: list[Service] = []
            retired: list[str] = []
            for stage, count in wanted.items():
                own = self._workers[stage]
                busy = await self._busy(stage) if count < len(own) else set()
                left, fresh = staffing(own, count, {n for n in own if self.worker_name(stage, n) in busy})
                retired += [self.worker_name(stage, number) for number in own if number not in left]
                added += [self._worker(stage, number) for number in fresh]
                self._workers[stage] = sorted([*left, *fresh])
            if added:
                await self.supervisor.start(*added)
            await self.supervisor.retire(*retired)
            return {stage: len(numbers) for stage, numbers in self._workers.items()}

    async def _busy(self, stage: Stage) -> set[str]:
        """Names of the workers that have a job; nobody's when the gateway does not answer."""
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False, timeout=5, verify=trusted()) as client:
                answer = await client.get(
                    f"{self.layout.gateway_url}/_admin/workers",
                    params={"endpoint": self.layout.endpoint(stage)},
                    headers={"Authorization": f"Bearer {self.layout.keys.runpod}"},
                )
            return {worker["worker"] for worker in answer.raise_for_status().json() if worker["jobs"]}
        return set()

    async def _start(self) -> None:
        if self.options.service_times is not None:
            self.layout.service_times.parent.mkdir(exist_ok=True)
            self.layout.service_times.write_text(self.options.service_times.model_dump_json(indent=1))
        layout = self.layout
        await self.supervisor.start(self._postgres(), self._storage())
        folder = self.options.state / "postgres"
        gateway_db = await asyncio.to_thread(postgres.create_database, folder, "gateway")
        database = await asyncio.to_thread(postgres.create_database, folder, "orchestrator")
        own = {name.removeprefix("S3_").lower(): value for name, value in layout.s3("setup").items()}
        await asyncio.to_thread(setup, S3Settings.model_validate(own))
        await self._migrate(database)
        await self.supervisor.start(self._gateway(gateway_db))
        await self.scale(self.options.workers)
        await self.supervisor.start(*(self._orchestrator(database, number) for number in range(len(layout.api_ports))))
        self.facts = Facts(
            api_urls=layout.api_urls,
            api_key=layout.keys.api,
            admin_key=layout.keys.admin,
            runpod_base_url=layout.runpod_base_url,
            runpod_key=layout.keys.runpod,
            endpoints={stage: layout.endpoint(stage) for stage in Stage},
            s3=layout.s3(),
            gateway_url=layout.gateway_url,
            database_url=database,
            logs=str(self.supervisor.logs),
            webhook_secret=layout.keys.webhook,
        )
        await self.control.open()
        path = self.options.state / FACTS
        partial = path.with_suffix(".part")  # whoever waits for the file finds it whole
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(self.facts.__dict__, indent=2))
        partial.replace(path)

    def _postgres(self) -> Service:
        folder = (self.options.state / "postgres").resolve()

        async def ready() -> bool:
            return await asyncio.to_thread(postgres.running, folder)

        argv = (PYTHON, "-m", "local.postgres", str(folder))
        return Service("postgres", argv, self.layout.plain_env(), ready, stop_signal=signal.SIGINT)

    def _storage(self) -> Service:
        async def ready() -> bool:
            return await asyncio.to_thread(self.layout.storage.ready)

        return Service(
            "s3", tuple(self.layout.storage.argv), self.layout.plain_env(), ready, stop_signal=signal.SIGKILL
        )

    async def _migrate(self, database: str) -> None:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            "-m",
            "orchestrator",
            "migrate",
            env=self.layout.orchestrator_env(database, 0),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"the migration failed:\n{said.decode(errors='replace')[-2000:]}")

    def _gateway(self, database: str) -> Service:
        url = f"{self.layout.runpod_base_url}/{self.layout.endpoint(Stage.BASE_GEN)}/health"
        ready = _answers(url, headers={"Authorization": f"Bearer {self.layout.keys.runpod}"})
        return Service("gateway", (PYTHON, "-m", "local.runpod_gateway"), self.layout.gateway_env(database), ready)

    def worker_name(self, stage: Stage, number: int) -> str:
        return f"{stage}-{number}"

    def _worker(self, stage: Stage, number: int) -> Service:
        name = self.worker_name(stage, number)
        environment = self.layout.worker_env(stage, name)
        return Service(name, (PYTHON, "-m", f"workers.{stage}.handler"), environment, stop_signal=signal.SIGKILL)

    def _orchestrator(self, database: str, number: int) -> Service:
        port = self.layout.api_ports[number]
        return Service(
            f"orchestrator-{number}",
            (PYTHON, "-m", "orchestrator", "serve"),
            self.layout.orchestrator_env(database, port),
            _answers(f"http://127.0.0.1:{port}/readyz"),
        )


def _answers(url: str, headers: dict[str, str] | None = None) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False, timeout=2, verify=trusted()) as client:
                return (await client.get(url, headers=headers)).is_success
        return False

    return ready


def _claim(wanted: int) -> socket.socket | None:
    """Holds a port for this cloud from now on; None when it is not to be had, or any will do."""
    mark = claim(wanted) if wanted else None
    if mark is None:
        return None
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does it
            probe.bind((HOST, wanted))
    except OSError:
        mark.close()
        return None
    return mark


def read_facts(state: Path) -> Facts:
    """Of a cloud that runs in another process."""
    return Facts(**json.loads((state / FACTS).read_text()))
