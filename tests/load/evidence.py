"""What is left when a load is over: of the users, of both databases, of the webhooks' receiver."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.load.scenarios import Wish


@dataclass(frozen=True)
class Run:
    """A stage run as the orchestrator has it, with its job as the gateway has it."""

    generation: str
    stage: str
    attempt: int
    state: str
    stage_key: str | None
    reused: bool
    executed: float
    """Seconds on the engine, as the manifest says; 0 without one."""
    job: str | None
    job_state: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str = ""


@dataclass(frozen=True)
class Generation:
    id: str
    owner: str
    state: str
    request: Mapping[str, Any]
    planned: tuple[str, ...]
    estimated: tuple[float, ...]
    """GPU seconds of each planned stage that were slept, before scaling."""
    delivers: Mapping[str, int]
    credits: int
    refund: int | None
    endings: int
    """Events that say how it ended."""
    error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass
class Evidence:
    wishes: tuple[Wish, ...]
    told: list[dict[str, Any]]
    """What each user saw: `users.py`."""
    generations: list[Generation] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    """Ids that the API lists."""
    announced: dict[str, set[str]] = field(default_factory=dict)
    """Generation -> states of the signed webhooks that were taken."""
    live_jobs: int = 0
    rendered: dict[str, int] = field(default_factory=dict)
    """stage_key -> how often, as the workers' logs say."""
    probed: dict[str, tuple[int, int, int, float]] = field(default_factory=dict)
    """Generation -> width, height, frames and rate of its video, of those that were looked into."""


GENERATIONS = """
SELECT g.*, (SELECT count(*) FROM events e WHERE e.generation_id = g.id AND e.type IN
  ('generation.succeeded', 'generation.failed', 'generation.canceled')) AS endings
FROM generations g ORDER BY g.number
"""
RUNS = "SELECT * FROM stage_runs ORDER BY number"
JOBS = "SELECT id, state, worker, queued_at, started_at, finished_at FROM runpod_gateway.jobs"


async def rows(url: str, query: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row, connect_timeout=10) as connection:
        found: list[dict[str, Any]] = await (await connection.execute(query.encode())).fetchall()
    return found


def runs_of(stage_runs: list[dict[str, Any]], jobs: list[dict[str, Any]]) -> list[Run]:
    of = {job["id"]: job for job in jobs}
    found = []
    for row in stage_runs:
        job = of.get(row["runpod_id"], {})
        timings = (row["manifest"] or {}).get("timings", {})
        found.append(
            Run(
                generation=row["generation_id"],
                stage=row["stage"],
                attempt=row["attempt"],
                state=row["state"],
                stage_key=row["stage_key"],
                reused=row["reused"],
                executed=float(timings.get("execute", 0.0)),
                job=row["runpod_id"],
                job_state=job.get("state"),
                queued_at=job.get("created_at") or job.get("queued_at"),
                started_at=job.get("started_at"),
                finished_at=job.get("finished_at"),
                worker=job.get("worker") or "",
            )
        )
    return found
