"""One video through the local cloud, as one user asks for it and follows it; and when each part had its turn."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row

from local.cloud import Cloud
from shared.contracts.vocabulary import Stage

SECONDS = 120.0
"""The most that one draft may take."""
DRAFT = {"resolution": "draft", "duration": 1, "early_look": False}
ALL_STAGES = {"spatial_upscale": True, "temporal_upscale": True}
ENGINE = re.compile(r"preview: a prompt ended.* slept=([\d.]+) took=([\d.]+)")
JOBS = """SELECT id, extract(epoch FROM created_at)::float AS queued, extract(epoch FROM started_at)::float AS taken,
                 extract(epoch FROM finished_at)::float AS returned FROM runpod_gateway.jobs"""
PHASES = ("fetch", "accepted", "ended", "execute", "deliver", "upload", "total")
EVENTS = "SELECT type, extract(epoch FROM at)::float AS at, data FROM events WHERE generation_id = %s ORDER BY seq"
RUNS = "SELECT stage, runpod_id, reused FROM stage_runs WHERE generation_id = %s ORDER BY number"


@dataclass(frozen=True)
class Made:
    """A generation as its user saw it. Seconds since 1970, as everywhere here: all clocks are one."""

    id: str
    asked: float
    seen: float
    """When a follower was told of its success."""


@dataclass(frozen=True)
class Turn:
    """One job: when each part had it in hand, in order."""

    stage: Stage
    queued: float
    """RunPod has the job."""
    taken: float
    """RunPod hands it to a worker."""
    begun: float
    """The handler's first line."""
    executing: float
    """The engine began the graph."""
    executed: float
    """The engine has ended it."""
    noticed: float
    """The worker knows that."""
    replied: float
    """The handler's last line."""
    returned: float
    """RunPod has the result."""
    advanced: float
    """The orchestrator has taken the stage as done."""
    slept: float
    """Seconds of these that stand for the GPU's work, as the engine counts them."""
    phases: Mapping[str, float]
    """Seconds of the worker's own phases, and of moments since its job began: see `shared/worker/run.py`."""


async def make(cloud: Cloud, asked: Mapping[str, Any]) -> Made:
    """Ask for it, follow it by server-sent events; RuntimeError unless it succeeds within `SECONDS`."""
    headers = {"Authorization": f"Bearer {cloud.facts.api_key}"}
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(base_url=cloud.facts.api_url, headers=headers, timeout=SECONDS, trust_env=False) as api,
    ):
        began = time.time()
        made = (await api.post("/api/generations", json=dict(asked))).raise_for_status().json()
        async with api.stream("GET", f"/api/generations/{made['id']}/events") as events:
            async for line in events.aiter_lines():
                if line.startswith("event: generation.") and line != "event: generation.queued":
                    if line == "event: generation.running":
                        continue
                    if line != "event: generation.succeeded":
                        raise RuntimeError(f"a generation of the benchmark ended by {line}")
                    return Made(made["id"], began, time.time())
    raise RuntimeError("the events of a generation of the benchmark ended before it did")


def turns(cloud: Cloud, made: Made) -> list[Turn]:
    """Of the jobs of one generation, each stage having run once; reused ones have none."""
    jobs = {job["id"]: job for job in _rows(_gateway(cloud), JOBS)}
    ended = {
        event["data"]["stage"]: event["at"]
        for event in _rows(cloud.facts.database_url, EVENTS, made.id)
        if event["type"] == "stage.succeeded"
    }
    found = []
    for run in _rows(cloud.facts.database_url, RUNS, made.id):
        if run["runpod_id"] is None:
            continue
        stage, job = Stage(run["stage"]), jobs[run["runpod_id"]]
        own = _of_job(cloud.supervisor.log_of(cloud.worker_name(stage, 0)), run["runpod_id"])
        found.append(Turn(stage, job["queued"], job["taken"], returned=job["returned"], advanced=ended[stage], **own))
    return found


def began(cloud: Cloud, made: Made) -> float:
    """When the orchestrator had the generation."""
    return float(_rows(cloud.facts.database_url, EVENTS, made.id)[0]["at"])


def slept(log: Path) -> Iterator[tuple[float, float]]:
    """(when, seconds) of every graph that a worker's engine has executed."""
    for event in _events(log):
        if event.get("event") == "comfy" and (ended := ENGINE.search(event["line"])):
            yield _at(event), float(ended[1])


def _of_job(log: Path, job: str) -> dict[str, Any]:
    """What the log of a worker says of one job, one at a time."""
    found: dict[str, Any] = {"slept": 0.0}
    mine = False
    for event in _events(log):
        kind, at = event.get("event"), _at(event)
        if kind == "render_begins":
            mine = event["runpod_id"] == job
            if mine:
                found["begun"] = at - event["after"]
        elif not mine:
            continue
        elif kind == "comfy" and (ended := ENGINE.search(event["line"])):
            found |= {"slept": float(ended[1]), "executing": at - float(ended[2]), "executed": at}
        elif kind == "comfy_run":
            found["noticed"] = at
        elif kind == "stage_run":
            phases = {name: event[name] for name in PHASES if name in event}
            return found | {"replied": at, "phases": phases}
    raise RuntimeError(f"the log {log.name} does not tell of the job {job}")


def _events(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("{") and "timestamp" in (event := json.loads(line)):  # the SDK's own lines have none
            yield event


def _at(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def _gateway(cloud: Cloud) -> str:
    return urlsplit(cloud.facts.database_url)._replace(path="/gateway").geturl()


def _rows(url: str, query: str, *values: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()
