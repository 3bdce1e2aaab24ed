"""The whole local cloud for tests: started once, asked over its real API, and killed in parts on purpose."""

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np

from local.cloud import Cloud
from local.layout import Options
from tests.waiting import wait_for

FINAL = {"succeeded", "failed", "canceled"}
Generation = dict[str, Any]
T = TypeVar("T")


class RunningCloud:
    """A cloud on a thread of its own, and an API client for it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloud", daemon=True)
        self._thread.start()
        self.cloud = Cloud(options)
        self._wait(self.cloud.__aenter__())
        self.api = self.client()

    def client(self, replica: int = 0) -> httpx.Client:
        facts = self.cloud.facts
        return httpx.Client(
            base_url=facts.api_urls[replica],
            headers={"Authorization": f"Bearer {facts.api_key}"},
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        self.api.close()
        self._wait(self.cloud.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(180)

    # what users do

    def create(self, **request: Any) -> Generation:
        """Without an early look, which costs about as much as a draft, unless a test asks for it."""
        answer = self.api.post("/api/generations", json={"early_look": False, **request})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        made: Generation = answer.json()
        return made

    def get(self, generation_id: str) -> Generation | None:
        """None while no orchestrator answers."""
        try:
            answer = self.api.get(f"/api/generations/{generation_id}")
        except httpx.TransportError:
            return None
        found: Generation = answer.raise_for_status().json()
        return found

    def finish(self, generation_id: str, *, seconds: float = 90) -> Generation:
        def ended() -> Generation | None:
            found = self.get(generation_id)
            return found if found and found["state"] in FINAL else None

        return wait_for(ended, seconds=seconds, what=f"the end of {generation_id}", every=0.2)

    def make(self, *, seconds: float = 90, **request: Any) -> Generation:
        done = self.finish(self.create(**request)["id"], seconds=seconds)
        assert done["state"] == "succeeded", done.get("error")
        return done

    def wait_in_stage(self, generation_id: str, stage: str, states: frozenset[str] = frozenset({"running"})) -> None:
        def there() -> bool:
            found = self.get(generation_id)
            runs = found["stages"] if found else []
            return any(run["stage"] == stage and run["state"] in states for run in runs)

        wait_for(there, what=f"{stage} to be {sorted(states)}", every=0.05)

    def upload(self, picture: bytes) -> str:
        slot = self.api.post("/api/uploads", json={"media_type": "image/png", "bytes": len(picture)}).json()
        httpx.put(slot["url"], content=picture, headers=slot["headers"], trust_env=False).raise_for_status()
        return str(slot["upload_id"])

    def download(self, generation: Generation, path: Path) -> Path:
        path.write_bytes(httpx.get(generation["result"]["video_url"], trust_env=False).raise_for_status().content)
        return path

    # what goes wrong

    def kill(self, service: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        pid = self.cloud.supervisor.pid(service)
        assert pid is not None, f"{service} does not run"
        os.kill(pid, signal.SIGKILL)

    def renders(self) -> Counter[str]:
        """stage_key -> how often it was rendered, as the workers' logs say."""
        found: Counter[str] = Counter()
        for log in self.cloud.supervisor.logs.glob("*_*-*.log"):
            for line in log.read_text(errors="replace").splitlines():
                if '"rendered"' in line and line.startswith("{"):
                    found[json.loads(line)["stage_key"]] += 1
        return found


@contextmanager
def running_cloud(options: Options) -> Iterator[RunningCloud]:
    running = RunningCloud(options)
    try:
        yield running
    finally:
        running.close()


def frame(video: Path, at: float, size: tuple[int, int] = (64, 36)) -> np.ndarray:
    """One frame as float RGB [height, width, 3] in 0..1, scaled down."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-vf", f"scale={size[0]}:{size[1]}:flags=area")
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-ss", str(at), "-i", str(video), "-frames:v", "1", *raw, "-"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(size[1], size[0], 3) / 255.0


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two pictures: 1 the same, about 0 unrelated."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
