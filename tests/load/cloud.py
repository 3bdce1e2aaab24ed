"""The cloud under load, and what is read from it when the load is over."""

import asyncio
import hashlib
import secrets
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from local import postgres
from local.cloud import Cloud
from local.layout import Keys, Options
from local.service_times import estimated, slept
from orchestrator.plan import Plan
from shared import media
from shared.contracts.vocabulary import Stage
from tests.chaos.renders import all_renders
from tests.load.evidence import GENERATIONS, JOBS, RUNS, Evidence, Generation, rows, runs_of
from tests.load.scenarios import HOT, OTHERS, Scenario

PROBED = 3
"""Videos that are looked into with ffprobe; of all others the sha256 is compared."""


class LoadCloud:
    """Options, keys and looks."""

    def __init__(self, state: Path, scenario: Scenario, workers: dict[Stage, int], *, scale: float, seed: int) -> None:
        state.mkdir(parents=True, exist_ok=True)
        keys, hot = Keys.of(state), secrets.token_urlsafe(24)
        self.keys = {OTHERS: keys.api, HOT: hot}
        said = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in self.keys.items()}
        operator = hashlib.sha256(keys.admin.encode()).hexdigest()
        self.cloud = Cloud(
            Options(
                state=state,
                workers=workers,
                port=0,
                service_times=estimated(scale, seed=seed),
                gateway={
                    "GATEWAY_LEASE_SECONDS": "30",  # as at RunPod: a busy machine is no lost worker
                    "GATEWAY_KEEP_RUN_SECONDS": "86400",  # RunPod forgets a job after half an hour; a soak is longer
                },
                orchestrator={
                    "API_KEYS": f"{OTHERS}:{said[OTHERS]}:debug,{HOT}:{said[HOT]},operator:{operator}:admin",
                    **scenario.settings,
                },
            )
        )
        self.state = state

    def processes(self) -> dict[str, int]:
        """Name of each process of the cloud -> pid, of those that run now."""
        supervisor = self.cloud.supervisor
        return {name: pid for name in supervisor.names() if (pid := supervisor.pid(name)) is not None}

    async def live(self) -> tuple[int, int, int]:
        """Generations that are not final, jobs that are not, webhooks that are neither delivered nor given up."""
        facts = self.cloud.facts
        live = await rows(facts.database_url, "SELECT count(*) AS n FROM generations WHERE finished_at IS NULL")
        due = await rows(facts.database_url, "SELECT count(*) AS n FROM deliveries WHERE state = 'pending'")
        jobs = "SELECT count(*) AS n FROM runpod_gateway.jobs WHERE state IN ('IN_QUEUE', 'IN_PROGRESS')"
        left = await rows(postgres.url(self.state / "postgres", "gateway"), jobs)
        return live[0]["n"], left[0]["n"], due[0]["n"]

    async def collect(self, found: Evidence) -> None:
        """Everything but what the users and the receiver saw."""
        database = self.cloud.facts.database_url
        found.generations = [_generation(row) for row in await rows(database, GENERATIONS)]
        jobs = await rows(postgres.url(self.state / "postgres", "gateway"), JOBS)
        found.runs = runs_of(await rows(database, RUNS), jobs)
        _, found.live_jobs, _ = await self.live()
        found.listed = {identity for key in self.keys.values() for identity in await self._listed(key)}
        renders = await asyncio.to_thread(all_renders, self.cloud.supervisor.logs)
        found.rendered = dict(Counter(render.stage_key for render in renders if render.outcome == "rendered"))
        succeeded = [generation for generation in found.generations if generation.state == "succeeded"]
        for generation in succeeded[:: max(1, len(succeeded) // PROBED)][:PROBED]:
            found.probed[generation.id] = await self._probe(generation)

    def _client(self, key: str) -> httpx.AsyncClient:
        own = {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.cloud.facts.api_url, headers=own, timeout=30, trust_env=False)

    async def _listed(self, key: str) -> set[str]:
        found: set[str] = set()
        options: dict[str, int] = {"limit": 100}
        async with self._client(key) as client:
            while True:
                page = (await client.get("/api/generations", params=options)).raise_for_status().json()
                found |= {generation["id"] for generation in page["generations"]}
                if page["next"] is None:
                    return found
                options["before"] = page["next"]

    async def _probe(self, generation: Generation) -> tuple[int, int, int, float]:
        async with self._client(self.keys[generation.owner]) as client:
            shown = (await client.get(f"/api/generations/{generation.id}")).raise_for_status().json()
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            body = (await client.get(shown["result"]["video_url"])).raise_for_status().content
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(body)
            file.flush()
            info = await media.probe(Path(file.name))
        return info.width, info.height, info.frames, float(info.fps)


def _generation(row: dict[str, Any]) -> Generation:
    plan = Plan.model_validate(row["plan"], context={"allow_draft": True, "any_contract": True})
    return Generation(
        id=row["id"],
        owner=row["owner"],
        state=row["state"],
        request=row["request"],
        planned=tuple(plan.order),
        estimated=tuple(slept(step.params) for step in plan.stages),
        delivers=plan.delivers.model_dump(),
        credits=row["credits"],
        refund=row["credits_refund"],
        endings=row["endings"],
        error=(row["error"] or {}).get("code"),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
