"""A local cloud that can be made to fail at chosen points: the gateway by its faults, the workers' S3 by a valve."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row

from local.layout import Options
from local.runpod_gateway.faults import FaultKind
from shared.artifacts import ArtifactStore, S3Settings
from shared.contracts.vocabulary import Stage
from tests.chaos.proxy import FaultProxy, Trouble
from tests.fixtures_cloud import Generation, RunningCloud
from tests.waiting import wait_for

KEEP_SECONDS = 2
"""The gateway forgets a result so soon, as RunPod does after 30 minutes."""
MANY = 1000


class Valve:
    """Between the workers and S3, on a loop of its own. Shut, it lets nothing through and hangs up on nobody."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="valve", daemon=True)
        self._thread.start()
        self.proxy = FaultProxy()
        asyncio.run_coroutine_threadsafe(self.proxy.__aenter__(), self._loop).result(10)

    def shut(self) -> None:
        self._loop.call_soon_threadsafe(self.proxy.break_with, Trouble.HALF_OPEN)

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self.proxy.heal)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.proxy.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class FaultyCloud(RunningCloud):
    def __init__(self, options: Options, valve: Valve) -> None:
        super().__init__(options)
        self.valve = valve
        facts = self.cloud.facts
        settings = {name.removeprefix("S3_").lower(): value for name, value in facts.s3.items()}
        storage = urlsplit(facts.s3["S3_ENDPOINT_URL"])
        valve.proxy.upstream = (str(storage.hostname), int(storage.port or 0))
        self.store = ArtifactStore(S3Settings.model_validate(settings))
        self.gateway = httpx.Client(
            headers={"Authorization": f"Bearer {facts.runpod_key}"}, timeout=10, trust_env=False
        )

    def close(self) -> None:
        self.gateway.close()
        self.store.close()
        super().close()

    # faults

    def arm(self, kind: FaultKind, stage: Stage, **how: Any) -> None:
        fault = {"kind": kind, "endpoint": self.cloud.facts.endpoints[stage], **how}
        self.gateway.post(f"{self.cloud.facts.gateway_url}/_admin/faults", json=fault).raise_for_status()

    def calm(self) -> None:
        self.valve.open()
        self.gateway.delete(f"{self.cloud.facts.gateway_url}/_admin/faults").raise_for_status()

    @contextmanager
    def holding(self, stage: Stage) -> Iterator[None]:
        """RunPod takes no run of this stage while the block lasts, so that its stage run stays pending."""
        self.arm(FaultKind.REFUSE_RUN, stage, count=MANY, status=503)
        try:
            yield
        finally:
            self.calm()

    # what can be seen

    def endpoint(self, stage: Stage, path: str) -> httpx.Response:
        facts = self.cloud.facts
        return self.gateway.get(f"{facts.runpod_base_url}/{facts.endpoints[stage]}/{path}")

    def jobs(self, stage: Stage) -> list[dict[str, Any]]:
        """The jobs that the gateway still knows, by its own rows: its /requests may be asked once a second."""
        url = urlsplit(self.cloud.facts.database_url)._replace(path="/gateway").geturl()
        query = "SELECT id, state FROM runpod_gateway.jobs WHERE endpoint = %s ORDER BY created_at"
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query, (self.cloud.facts.endpoints[stage],)).fetchall()

    def busy(self) -> int:
        """Jobs of all stages that wait or run."""
        counts = [self.endpoint(stage, "health").raise_for_status().json()["jobs"] for stage in Stage]
        return sum(count["inProgress"] + count["inQueue"] for count in counts)

    def log(self, stage: Stage) -> str:
        path = self.cloud.supervisor.log_of(f"{stage}-0")
        return path.read_text(errors="replace") if path.exists() else ""

    def until(self, generation_id: str, *ends: tuple[str, str]) -> Generation:
        """The generation, once its stage runs are exactly these (stage, state)."""

        def there() -> Generation | None:
            found = self.get(generation_id)
            return found if found and [(run["stage"], run["state"]) for run in found["stages"]] == list(ends) else None

        return wait_for(there, what=f"{ends[-1]}", every=0.05)


@contextmanager
def faulty_cloud(state: Path) -> Iterator[FaultyCloud]:
    valve = Valve()
    options = Options(
        state=state,
        orchestrators=2,
        port=0,
        worker={
            "COMFYUI_EXTRA_ARGS": "--step-seconds 0.1",
            "S3_ENDPOINT_URL": f"http://{valve.proxy.address}",
            "S3_READ_SECONDS": "10",  # a connection that the valve has silenced may come up again
        },
        orchestrator={"RETRY_SECONDS": "0.2", "RETRY_SECONDS_MAX": "0.5", "SUBMIT_TRIES": str(MANY)},
        gateway={"GATEWAY_KEEP_RUN_SECONDS": str(KEEP_SECONDS)},
    )
    try:
        cloud = FaultyCloud(options, valve)
        try:
            yield cloud
        finally:
            cloud.close()
    finally:
        valve.close()
