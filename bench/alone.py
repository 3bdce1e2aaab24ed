"""The one-worker design on the local cloud: its endpoint, its worker, and a client that calls RunPod itself."""

import asyncio
import time
from collections.abc import Mapping

import httpx

from bench import videos
from local.cloud import Cloud
from local.layout import PYTHON
from local.supervisor import Service
from shared.contracts.vocabulary import Stage

ENDPOINT = "local-one-worker"
NAME = "one-worker-0"
LOOK_SECONDS = 0.05
"""Between two looks at the job: oftener than anybody asks RunPod, so that this design pays nothing for waiting."""
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}


def served() -> Mapping[str, str]:
    """`Options.gateway` of a cloud that serves any endpoint, and so this one too."""
    return {"GATEWAY_ENDPOINTS": ""}


async def start(cloud: Cloud) -> None:
    """One worker beside those of the stages; it may read and write everything in the bucket."""
    like = cloud.layout.worker_env(Stage.BASE_GEN, NAME)
    own = {name: value.replace(cloud.layout.endpoint(Stage.BASE_GEN), ENDPOINT) for name, value in like.items()}
    await cloud.supervisor.start(Service(NAME, (PYTHON, "-m", "bench.one_worker"), own | cloud.layout.s3()))


async def make(cloud: Cloud, prompt: str, seed: int, *, tries: int = 1) -> tuple[float, float]:
    """(seconds from asking to the video, seconds of them that its engine slept over graphs that it ended).

    A job that fails is asked for again, from its beginning; RuntimeError when no try succeeds.
    """
    log = cloud.supervisor.log_of(NAME)
    before = len(list(videos.slept(log))) if log.exists() else 0
    url = f"{cloud.facts.runpod_base_url}/{ENDPOINT}"
    headers = {"Authorization": f"Bearer {cloud.facts.runpod_key}"}
    async with (
        asyncio.timeout(videos.SECONDS),
        httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as api,
    ):
        began = time.monotonic()
        for _ in range(tries):
            work = {"input": {"prompt": prompt, "seed": seed, "duration": 1}}
            job = (await api.post(f"{url}/run", json=work)).raise_for_status().json()
            while job["status"] not in ENDED:
                await asyncio.sleep(LOOK_SECONDS)
                job = (await api.get(f"{url}/status/{job['id']}")).raise_for_status().json()
            if job["status"] == "COMPLETED":
                return time.monotonic() - began, sum(seconds for _, seconds in list(videos.slept(log))[before:])
    raise RuntimeError(f"the one worker's job ended {job['status']}: {job.get('error')}")
