"""What RunPod says of its workers, asked seldom however many want to know."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.overview import EndpointSeen
from orchestrator.runpod_client import RunPodClient
from orchestrator.settings import Settings
from shared.contracts.vocabulary import Stage
from shared.errors import MivoError

KEPT_SECONDS = 10.0
"""One answer serves everybody for so long, also where it is that nobody answered."""
ASK_SECONDS = 4.0
"""Most that one question may take, retries included: Prometheus gives a scrape ten."""
COUNTS = ("idle", "running", "initializing", "throttled", "unhealthy")
"""Of `workers` in /health; the last three are undocumented (facts/runpod.md section A), and may be missing."""


@dataclass(frozen=True)
class _Place:
    stage: Stage
    endpoint: str
    large: bool


Seen = Mapping[Stage, tuple[EndpointSeen, ...]]


class Workforce:
    """Of this replica. Never raises for RunPod's sake: what is unknown says so."""

    def __init__(self, runpod: RunPodClient, settings: Settings) -> None:
        usual = [_Place(stage, endpoint, large=False) for stage, endpoint in settings.endpoints.items()]
        large = [_Place(stage, endpoint, large=True) for stage, endpoint in settings.large_endpoints.items()]
        self._places = [*usual, *large]
        self._runpod = runpod
        self._asking = asyncio.Lock()
        self._seen: Seen = {}
        self._until = 0.0

    async def look(self) -> Seen:
        """Every endpoint of every stage, as RunPod had it at most ten seconds ago."""
        async with self._asking:
            if time.monotonic() >= self._until:
                found = await asyncio.gather(*(self._ask(place) for place in self._places))
                pairs = list(zip(self._places, found, strict=True))
                self._seen = {stage: tuple(seen for place, seen in pairs if place.stage is stage) for stage in Stage}
                self._until = time.monotonic() + KEPT_SECONDS
            return self._seen

    async def _ask(self, place: _Place) -> EndpointSeen:
        at = datetime.now(UTC)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                said = await self._runpod.health(place.endpoint)
        except (MivoError, TimeoutError) as error:
            problem = str(error) or f"no answer in {ASK_SECONDS:g} s"
            return EndpointSeen(endpoint=place.endpoint, large=place.large, asked_at=at, problem=problem)
        return EndpointSeen(endpoint=place.endpoint, large=place.large, asked_at=at, **counts(said))


def counts(said: Mapping[str, Any]) -> dict[str, int]:
    """The counts of workers in an answer of /health; what is no count is left out."""
    workers = said.get("workers")
    if not isinstance(workers, dict):
        return {}
    return {name: workers[name] for name in COUNTS if type(workers.get(name)) is int and workers[name] >= 0}


def worker_counts(seen: Seen) -> dict[Stage, dict[str, int]]:
    """Stage -> state -> workers, over all its endpoints; a state that none of them told is left out."""
    found: dict[Stage, dict[str, int]] = {}
    for stage, endpoints in seen.items():
        told = [(name, getattr(each, name)) for each in endpoints for name in COUNTS]
        for name, count in told:
            if count is not None:
                counted = found.setdefault(stage, {})
                counted[name] = counted.get(name, 0) + count
    return found
