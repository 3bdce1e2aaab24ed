"""Keeps the processes of the local cloud running, and leaves nothing behind.

honcho, which the design names, ends everything as soon as one process ends and restarts nothing; here a process
that is killed has to come back, as it does on RunPod. So this is our own, small: start, wait until ready, restart
with backoff, stop as a group.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

TETHER = Path(__file__).parents[1] / "shared" / "comfy" / "tether.py"
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds before a restart, doubling
SETTLED = 10.0  # seconds of life after which a restart is again a quick one
GRACE = 8.0  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Service:
    """One process of the cloud."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment; may hold keys, so it is never shown. `{life}` becomes new with every start."""
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    """SIGKILL for those that take long over SIGTERM: SeaweedFS, and an idle RunPod worker until its poll ends."""


class ServiceFailedError(Exception):
    """A service of the local cloud did not come up."""


class Supervisor:
    """Runs services in groups of their own that die with this process."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._floors: list[tuple[str, ...]] = []
        self._processes: dict[str, Process] = {}
        self._polite: set[str] = set()
        self.restarts: dict[str, int] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def pid(self, name: str) -> int | None:
        """The process that runs now; None between two lives."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.returncode is None else None

    def names(self) -> tuple[str, ...]:
        """Of the services that are kept."""
        return tuple(self._keepers)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    async def start(self, *services: Service) -> None:
        """Starts them together and returns when all are ready; ServiceFailedError shows the end of a log."""
        for service in services:
            self._keepers[service.name] = asyncio.create_task(self._keep(service), name=service.name)
        self._floors.append(tuple(service.name for service in services))
        await asyncio.gather(*(self._wait_ready(service) for service in services))

    async def stop(self) -> None:
        """Ends all services, those started last first; those started together end together."""
        while self._floors:
            await self._end_all(self._floors.pop())

    async def retire(self, *names: str) -> None:
        """Ends these for good while the others go on: SIGTERM whatever their stop signal, SIGKILL after `GRACE`."""
        self._polite.update(names)
        await self._end_all(names)
        self._polite.difference_update(names)

    async def _end_all(self, names: Iterable[str]) -> None:
        keepers = [self._keepers.pop(name) for name in names if name in self._keepers]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _wait_ready(self, service: Service) -> None:
        if service.ready is None:
            return
        try:
            async with asyncio.timeout(service.ready_seconds):
                while not await service.ready():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)  # another process's readiness has no event of ours
        except TimeoutError as error:
            log = self.log_of(service.name)
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"
            raise ServiceFailedError(
                f"{service.name} is not ready after {service.ready_seconds:.0f} s; the end of {log}:\n{tail}"
            ) from error

    async def _keep(self, service: Service) -> None:
        wait = FIRST_WAIT
        while True:
            started = time.monotonic()
            code = await self._live(service)
            self.restarts[service.name] = self.restarts.get(service.name, 0) + 1
            self._note(service, f"ended with {code}; starts again")
            wait = FIRST_WAIT if time.monotonic() - started > SETTLED else min(2 * wait, LONGEST_WAIT)
            await asyncio.sleep(wait * random.uniform(0.75, 1.25))

    async def _live(self, service: Service) -> int:
        """One life of a process, in a session of its own; what is left of its group is killed."""
        life = uuid4().hex
        with self.log_of(service.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(TETHER),
                str(os.getpid()),
                *service.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={name: value.replace("{life}", life) for name, value in service.env.items()},
                start_new_session=True,
            )
        self._processes[service.name] = process
        try:
            return await process.wait()
        finally:
            await asyncio.shield(self._end(service, process))

    async def _end(self, service: Service, process: Process) -> None:
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM if service.name in self._polite else service.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await process.wait()
        _signal(process.pid, signal.SIGKILL)
        await process.wait()

    def _note(self, service: Service, text: str) -> None:
        with self.log_of(service.name).open("a") as log:
            log.write(f"--- {datetime.now(UTC).isoformat()} {service.name}: {text}\n")


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
