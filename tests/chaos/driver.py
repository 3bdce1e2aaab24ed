"""Does what the plan says, and measures how long everything takes to come back."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import httpx
import psycopg

from local import postgres
from tests.chaos.cloud import ChaosCloud
from tests.chaos.plan import Act, GatewayFault, Kill, Link, LinkFault, Part
from tests.chaos.waiting import wait_until

BACK_SECONDS = 60.0
"""A killed part has to answer again within this."""
ON_SECONDS = 90.0


@dataclass
class Deed:
    """An act as it was done."""

    act: Act
    at: datetime
    done: bool = True
    """False: there was nothing to kill at that moment."""
    back: float | None = None
    """Kill -> the part answers again, in seconds; None for a worker's children, which come back with the next job."""
    on: float | None = None
    """Kill -> every generation that was affected shows news."""


class Driver:
    def __init__(
        self, cloud: ChaosCloud, acts: tuple[Act, ...], ended: Callable[[], int], say: Callable[[str], None]
    ) -> None:
        self._cloud = cloud
        self._acts = acts
        self._ended = ended
        self._say = say
        self._locks = {link: asyncio.Lock() for link in Link}
        self.deeds: list[Deed] = []

    async def run(self) -> None:
        """All acts in order; returns when everything is healed and every recovery has been waited for."""
        async with asyncio.TaskGroup() as group:
            for act in self._acts:
                await asyncio.sleep(act.pause)
                await wait_until(partial(self._is_due, act), seconds=act.patience)
                deed = Deed(act, datetime.now(UTC))
                self._say(f"{self._ended()} ended; {act.what}")
                self.deeds.append(deed)
                match act.what:
                    case Kill() as kill:
                        group.create_task(self._kill(deed, kill))
                    case LinkFault() as fault:
                        group.create_task(self._break(fault))
                    case GatewayFault() as fault:
                        group.create_task(self._arm(deed, fault))
        for proxy in self._cloud.proxies.values():
            proxy.heal()

    def _is_due(self, act: Act) -> bool:
        return self._ended() >= act.after

    async def _break(self, fault: LinkFault) -> None:
        proxy = self._cloud.proxies[fault.link]
        async with self._locks[fault.link]:  # one trouble at a time on each link
            proxy.break_with(fault.trouble)
            await asyncio.sleep(fault.seconds)
            proxy.heal()

    async def _arm(self, deed: Deed, fault: GatewayFault) -> None:
        body = {
            "kind": fault.kind,
            "endpoint": self._cloud.facts.endpoints[fault.stage],
            "count": fault.count,
            "status": fault.status,
            "delay_ms": fault.delay_ms,
        }

        async def armed() -> bool:
            try:
                return (await self._cloud.gateway.post("/_admin/faults", json=body)).is_success
            except httpx.TransportError:  # it was killed a moment ago
                return False

        deed.done = await wait_until(armed, seconds=10) is not None

    async def _kill(self, deed: Deed, kill: Kill) -> None:
        cloud = self._cloud
        affected = await self._affected(kill)
        session = await self._session(kill.service)
        pid = cloud.pid(kill.part, kill.service)
        if pid is None:
            deed.done = False
            return
        deed.at = datetime.now(UTC)
        os.kill(pid, signal.SIGKILL)
        waits = [wait_until(lambda: self._goes_on(affected), seconds=ON_SECONDS if affected else 0, every=0.25)]
        if kill.part not in {Part.PING_CHILD, Part.ENGINE}:
            waits.append(wait_until(lambda: self._is_back(kill, pid, session), seconds=BACK_SECONDS))
        deed.on, deed.back = [*await asyncio.gather(*waits), None][:2]
        self._say(f"after the kill of {kill.service} ({kill.part}): back {deed.back}, goes on {deed.on}")

    async def _session(self, service: str) -> str | None:
        """Of the worker process, as the gateway knows it."""
        try:
            known = (await self._cloud.workers()).get(service)
        except httpx.HTTPError:
            return None
        return known["session"] if known else None

    async def _is_back(self, kill: Kill, pid: int, session: str | None) -> bool:
        cloud = self._cloud
        if cloud.pid(kill.part, kill.service) in {None, pid}:
            return False
        asked: dict[Part, Callable[[], Awaitable[bool]]] = {
            Part.ORCHESTRATOR: lambda: _healthy(cloud.users[int(kill.service.rpartition("-")[2])]),
            Part.GATEWAY: lambda: _healthy(cloud.gateway),
            Part.STORAGE: lambda: asyncio.to_thread(cloud.cloud.layout.storage.ready),
            Part.POSTGRES: lambda: asyncio.to_thread(postgres.running, cloud.state / "postgres"),
            Part.WORKER: lambda: self._is_new(kill.service, session),
        }
        return await asked[kill.part]()

    async def _is_new(self, service: str, session: str | None) -> bool:
        return await self._session(service) not in {None, session}

    async def _affected(self, kill: Kill) -> dict[str, int]:
        """Live generations that the kill may hold up, and how much news each has had."""
        try:
            if kill.part not in {Part.WORKER, Part.PING_CHILD, Part.ENGINE}:
                found = await self._cloud.rows("SELECT id, last_seq FROM generations WHERE finished_at IS NULL")
            else:
                jobs = (await self._cloud.workers()).get(kill.service, {}).get("jobs", [])
                found = await self._cloud.rows(
                    "SELECT g.id, g.last_seq FROM generations g JOIN stage_runs r ON r.generation_id = g.id"
                    " WHERE r.runpod_id = ANY(%(jobs)s) AND g.finished_at IS NULL",
                    jobs=jobs,
                )
        except (psycopg.OperationalError, httpx.HTTPError):  # killed a moment ago
            return {}
        return {row["id"]: row["last_seq"] for row in found}

    async def _goes_on(self, affected: dict[str, int]) -> bool:
        try:
            found = await self._cloud.rows(
                "SELECT id, last_seq FROM generations WHERE id = ANY(%(ids)s)", ids=list(affected)
            )
        except psycopg.OperationalError:
            return False
        return all(row["last_seq"] > affected[row["id"]] for row in found)


async def _healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz", timeout=5)).is_success
    except httpx.TransportError:
        return False
