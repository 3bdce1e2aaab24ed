"""Parts of the gateway tests: servers on free ports, a worker that speaks the bare wire, SDK worker processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from local.runpod_gateway.app import Server
from local.runpod_gateway.settings import Settings
from shared.tls import trusted
from tests.waiting import eventually, wait_for

KEY = "local-key"
BEARER = {"Authorization": f"Bearer {KEY}"}
ROOT = Path(__file__).resolve().parents[3]
TOY = Path(__file__).parent / "handlers" / "toy.py"
T = TypeVar("T")


def settings(database_url: str, **over: Any) -> Settings:
    """Short spans, so that tests are quick; three seconds of lease are three pings of the SDK's shortest interval."""
    values: dict[str, Any] = {
        "api_keys": (KEY,),
        "lease_seconds": 3,
        "hold_seconds": 5,
        "sweep_seconds": 0.1,
        "webhook_gap_seconds": 0.2,
        "webhook_timeout_seconds": 2,
    }
    return Settings(database_url=database_url, **values | over)


@contextmanager
def serve(config: Settings) -> Iterator[str]:
    """A gateway in a thread; yields its URL."""
    server = Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive(), "the gateway to start")
        assert server.started
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


class Client:
    """The client API over plain httpx."""

    def __init__(self, http: httpx.AsyncClient, endpoint: str) -> None:
        self.http = http
        self.endpoint = endpoint

    async def run(self, order: Any = None, **extra: Any) -> str:
        answer = await self.post("run", {"input": order or {"do": "echo", "say": "hi"}, **extra})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "IN_QUEUE"
        return str(answer.json()["id"])

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(f"/v2/{self.endpoint}/{path}", json=body)

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"/v2/{self.endpoint}/{path}")

    async def status(self, job_id: str) -> dict[str, Any]:
        answer = await self.get(f"status/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, job_id: str, *states: str, seconds: float = 20) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            view = await self.status(job_id)
            return view if view["status"] in states else None

        return await eventually(reached, f"{job_id} to be {states}", seconds=seconds)

    async def until_gone(self, job_id: str) -> None:
        async def gone() -> bool:
            return (await self.get(f"status/{job_id}")).status_code == 404

        await eventually(gone, f"{job_id} to be deleted")

    async def fault(self, kind: str, **more: Any) -> None:
        body = {"kind": kind, "endpoint": self.endpoint, **more}
        (await self.http.post("/_admin/faults", json=body)).raise_for_status()

    async def workers(self) -> dict[str, dict[str, Any]]:
        answer = await self.http.get("/_admin/workers", params={"endpoint": self.endpoint})
        return {worker["worker"]: worker for worker in answer.json()}


class WireWorker:
    """A worker that says exactly what a test wants, in the words of the SDK."""

    def __init__(self, client: Client, worker: str, session: str = "", key: str = KEY) -> None:
        self.http = client.http
        self.base = f"/v2/{client.endpoint}"
        self.worker = worker
        self.query = {"gpu": "local"} | ({"session": session} if session else {})
        self.headers = {"Authorization": key, "Content-Type": "application/json"}

    async def take_raw(self, *, in_progress: int = 0, batch: int = 1) -> httpx.Response:
        path = "job-take" if batch == 1 else "job-take-batch"
        more = {"batch_size": str(batch)} if batch > 1 else {}
        params = self.query | more | {"job_in_progress": str(in_progress)}
        return await self.http.get(f"{self.base}/{path}/{self.worker}", params=params, headers=self.headers)

    async def take(self, *, in_progress: int = 0) -> dict[str, Any]:
        answer = await self.take_raw(in_progress=in_progress)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return dict(answer.json())

    async def ping(self, *jobs: str, **more: str) -> None:
        params = self.query | more | ({"job_id": ",".join(jobs)} if jobs else {})
        answer = await self.http.get(f"{self.base}/ping/{self.worker}", params=params, headers=self.headers)
        assert answer.status_code == 200

    async def stop_poll(self) -> httpx.Response:
        return await self.http.get(f"{self.base}/job-stop/{self.worker}", params=self.query, headers=self.headers)

    async def done(self, job_id: str, body: Any) -> httpx.Response:
        return await self._post("job-done", job_id, json.dumps(body).encode())

    async def chunk(self, job_id: str, output: Any) -> httpx.Response:
        return await self._post("job-stream", job_id, json.dumps({"output": output}).encode())

    async def progress(self, job_id: str, output: Any) -> httpx.Response:
        return await self.done(job_id, {"status": "IN_PROGRESS", "output": output})

    async def _post(self, path: str, job_id: str, content: bytes) -> httpx.Response:
        headers = self.headers | {"Content-Type": "application/x-www-form-urlencoded", "X-Request-ID": job_id}
        url = f"{self.base}/{path}/{self.worker}/{job_id}"
        params = self.query | {"isStream": "false"}
        return await self.http.post(url, params=params, content=content, headers=headers)


async def held(client: Client, worker: str) -> None:
    """Until the gateway has seen a poll of this worker."""

    async def seen() -> bool:
        return worker in await client.workers()

    await eventually(seen, f"a poll of {worker}")


class SdkWorker:
    """A process of its own group on the real `runpod.serverless.start`."""

    def __init__(
        self, url: str, endpoint: str, worker: str, home: Path, *, argv: tuple[str, ...] = (str(TOY),), **more: str
    ) -> None:
        base = f"{url}/v2/{endpoint}"
        query = f"?gpu=local&session={time.monotonic_ns()}"
        self.worker = worker
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),  # a developer's ~/.runpod/config.toml would change the key (trap 13)
            "RUNPOD_POD_ID": worker,
            "RUNPOD_ENDPOINT_ID": endpoint,
            "RUNPOD_AI_API_KEY": KEY,
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID{query}",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID{query}",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID{query}",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID{query}",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
            "RUNPOD_LOG_LEVEL": "INFO",
            **more,
        }
        self.log = home / f"{worker}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *argv],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that the ping child can be ended with it (trap 15)
            )

    def kill_main_only(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def kill_group(self) -> None:
        """Ends the worker and its ping child, which may be alone by now."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            assert self.process.poll() is not None
        self.process.wait(10)


class GatewayProcess:
    """`python -m local.runpod_gateway` on a fixed port, to be killed and started again."""

    def __init__(self, database_url: str, log: Path, **over: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._environment = {
            "PATH": os.environ["PATH"],
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_API_KEYS": KEY,
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_LEASE_SECONDS": "3",
            "GATEWAY_SWEEP_SECONDS": "0.1",
            **over,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.runpod_gateway"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        wait_for(self._ready, "the gateway process")

    def stop(self, number: signal.Signals) -> float:
        """Sends a signal; returns how many seconds the process took to end."""
        assert self.process is not None
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(15)
        return time.monotonic() - start

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text(encoding="utf-8")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, verify=trusted()).status_code == 200
        except httpx.TransportError:
            return False
