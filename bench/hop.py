"""From the end of one stage to the start of the next one's handler, on the whole local cloud, one video at a time.

The last part of it, from when RunPod hands the job out to the handler's first line, passes in the SDK's own loop.
"""

import asyncio
import json
import tempfile
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from bench.rows import Row, percentile
from local.cloud import Cloud
from local.layout import Options
from shared.contracts.vocabulary import Stage

MUST_MEDIAN, MUST_P95 = 0.100, 0.250
VIDEOS = 20
SECONDS = 120.0
"""The most that one draft may take."""
FINAL = {"succeeded", "failed", "canceled"}


async def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with Cloud(Options(state=Path(folder), port=0)) as cloud:
            for number in range(VIDEOS):
                await _make(cloud, f"hop {number}")
            hops = await asyncio.to_thread(_hops, cloud)
    ours, whole = [hop.ours for hop in hops], [hop.whole for hop in hops]
    median, most = percentile(ours, 50), percentile(ours, 95)
    return [
        Row(
            "hop: end of one stage to the next handler's start, besides the SDK's own, p50 / p95",
            f"under {MUST_MEDIAN * 1000:.0f} / {MUST_P95 * 1000:.0f} ms",
            f"{median * 1000:.0f} / {most * 1000:.0f} ms of {len(hops)} hops; with the SDK's own "
            f"{percentile(whole, 50) * 1000:.0f} / {percentile(whole, 95) * 1000:.0f} ms",
            median < MUST_MEDIAN and most < MUST_P95,
        )
    ]


@dataclass(frozen=True)
class Hop:
    """Seconds."""

    ours: float
    """From the end of a stage until RunPod hands out the next one's job."""
    whole: float
    """Until the next handler runs."""


async def _make(cloud: Cloud, prompt: str) -> None:
    asked = {"prompt": prompt, "resolution": "draft", "duration": 1, "early_look": False}
    headers = {"Authorization": f"Bearer {cloud.facts.api_key}"}
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(base_url=cloud.facts.api_url, headers=headers, timeout=30, trust_env=False) as api,
    ):
        toggles = {"spatial_upscale": True, "temporal_upscale": True}
        made = (await api.post("/api/generations", json=asked | toggles)).raise_for_status().json()
        while made["state"] not in FINAL:
            await asyncio.sleep(0.2)
            made = (await api.get(f"/api/generations/{made['id']}")).raise_for_status().json()
        if made["state"] != "succeeded":
            raise RuntimeError(f"a generation of the benchmark ended {made['state']}: {made.get('error')}")


def _hops(cloud: Cloud) -> list[Hop]:
    """From the workers' logs and the gateway's rows: all clocks are one."""
    taken = _taken(cloud)
    begun: dict[Stage, list[tuple[float, str]]] = {}
    ended: dict[Stage, list[float]] = {}
    for stage in Stage:
        events = _events(cloud.supervisor.log_of(cloud.worker_name(stage, 0)))
        starts = [event for event in events if event.get("event") == "render_begins"]
        begun[stage] = [(_at(event) - event["after"], event["runpod_id"]) for event in starts]
        ended[stage] = [_at(event) for event in events if event.get("event") == "stage_run"]
    return [
        Hop(taken[job] - end, start - end)
        for one, following in pairwise(Stage)
        for end, (start, job) in zip(ended[one], begun[following], strict=True)  # one video at a time
    ]


def _taken(cloud: Cloud) -> dict[str, float]:
    """Job -> when a worker got it."""
    gateway = urlsplit(cloud.facts.database_url)._replace(path="/gateway").geturl()
    with psycopg.connect(gateway) as connection:
        found = connection.execute("SELECT id, extract(epoch FROM started_at)::float FROM runpod_gateway.jobs")
        return dict(found.fetchall())


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]


def _at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
