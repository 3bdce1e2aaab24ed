"""A RunPod endpoint for real worker processes: the gateway, a bucket, and workers on the SDK's own loop."""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect
from shared.contracts.vocabulary import Stage
from tests.contract.gateway.harness import ROOT, Client, SdkWorker
from tests.integration.worker.troubled_comfy import FILE

TROUBLED = f"{sys.executable} {Path(__file__).with_name('troubled_comfy.py')}"
DRAFT = {"resolution": "draft", "duration": 1}


class Endpoint:
    """One stage's. `client` speaks RunPod's client API."""

    def __init__(self, client: Client, s3: S3Settings, folder: Path, stage: Stage) -> None:
        self.client, self.stage = client, stage
        self.store = ArtifactStore(s3)
        self._s3, self._folder = s3, folder
        self._workers: list[SdkWorker] = []

    def base_of(self, name: str) -> Path:
        """ComfyUI's base directory of one worker."""
        return self._folder / name

    def scratch_of(self, name: str) -> Path:
        """Where one worker keeps what it has fetched and made."""
        return self.base_of(name) / "scratch"

    def leftovers(self, name: str) -> list[Path]:
        """Files of executions on a worker's disk."""
        return [path for path in self.base_of(name).rglob("*") if path.is_file() and "/ltx2" in str(path)]

    def start_worker(
        self, name: str, *, troubles: dict[str, int] | None = None, env: dict[str, str] | None = None
    ) -> SdkWorker:
        base = self.base_of(name)
        self.scratch_of(name).mkdir(parents=True, exist_ok=True)
        (base / FILE).write_text(json.dumps(troubles or {}))
        worker = SdkWorker(
            str(self.client.http.base_url),
            self.client.endpoint,
            name,
            self._folder,
            argv=("-m", f"workers.{self.stage}.handler"),
            **{
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "TMPDIR": str(self.scratch_of(name)),
                "COMFYUI_COMMAND": TROUBLED,
                "COMFYUI_BASE_DIR": str(base),
                "COMFYUI_EXTRA_ARGS": "--test-nodes",
                "S3_ENDPOINT_URL": str(self._s3.endpoint_url),
                "S3_BUCKET": self._s3.bucket,
                "S3_ACCESS_KEY_ID": self._s3.access_key_id,
                "S3_SECRET_ACCESS_KEY": self._s3.secret_access_key.get_secret_value(),
                **(env or {}),
            },
        )
        self._workers.append(worker)
        return worker

    async def run(self, **given: Any) -> str:
        return await self.client.run({**DRAFT, "prompt": "a lighthouse", **given})

    def keys(self) -> list[str]:
        """Of all objects in the bucket."""
        client = connect(self._s3)
        try:
            found = client.list_objects_v2(Bucket=self._s3.bucket).get("Contents", [])
            return [item["Key"] for item in found]
        finally:
            client.close()

    def close(self) -> None:
        for worker in self._workers:
            worker.kill_group()
        self.store.close()


StartEndpoint = Callable[..., Awaitable[Endpoint]]


def family(worker: SdkWorker) -> set[int]:
    """The pids of a worker's living children and their children: ping child, ComfyUI."""
    found: set[int] = set()
    waiting = [worker.process.pid]
    while waiting:
        children = _children(waiting.pop())
        waiting += children
        found |= set(children)
    return found


def _children(pid: int) -> list[int]:
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended meanwhile
        return []
    return [int(child) for text in lists for child in text.split()]


def living(pids: set[int]) -> set[int]:
    """Those that run still, zombies aside."""
    return {pid for pid in pids if _state(pid) not in {"Z", ""}}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
