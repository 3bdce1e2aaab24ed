"""The local cloud with a stand-in for RunPod's side, and what its processes use."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.cloud import Cloud
from local.layout import PYTHON, Options
from local.supervisor import Service
from shared.ports import HOST, free_ports

TICKS = os.sysconf("SC_CLK_TCK")
CLIENT_SECONDS = 150.0
"""The most that a program of clients may take."""


@dataclass(frozen=True)
class Crowd:
    """`cloud` with the stand-in at `stand_in`."""

    cloud: Cloud
    stand_in: str

    @property
    def pids(self) -> list[int]:
        """Of the orchestrators."""
        names = [f"orchestrator-{number}" for number in range(self.cloud.options.orchestrators)]
        return [self._pid(name) for name in names]

    def cpu(self) -> "Cpu":
        postgres = self._pid("postgres")
        backends = [pid for pid in _processes() if _stat(pid)[1] == str(postgres)]
        return Cpu(
            orchestrators=tuple(_seconds(pid) for pid in self.pids),
            postgres=_seconds(postgres, ended_too=True) + sum(_seconds(pid) for pid in backends),
        )

    def megabytes(self, what: str) -> list[float]:
        """Of each orchestrator: `VmRSS` now, or `VmHWM`, the most so far."""
        found = []
        for pid in self.pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found.append(next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024)
        return found

    async def counts(self, *, anew: bool = False) -> dict[str, int]:
        """What the stand-in has counted (`bench.stand_in.Jobs`)."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            answer = await http.request("POST" if anew else "GET", f"{self.stand_in}/counts")
            found: dict[str, int] = answer.raise_for_status().json()
        return found

    async def clients(self, **arguments: Any) -> dict[str, Any]:
        """What `python -m bench.clients` found, a process of its own."""
        facts = self.cloud.facts
        asked = json.dumps({"key": facts.api_key, "urls": facts.api_urls, **arguments})
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.clients", asked, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(CLIENT_SECONDS):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise RuntimeError(f"the clients of the benchmark ended with {process.returncode}")
        found: dict[str, Any] = json.loads(said)
        return found

    def _pid(self, service: str) -> int:
        pid = self.cloud.supervisor.pid(service)
        if pid is None:
            raise RuntimeError(f"{service} does not run")
        return pid


@dataclass(frozen=True)
class Cpu:
    """Seconds that processes have computed so far."""

    orchestrators: tuple[float, ...]
    postgres: float

    def since(self, before: "Cpu") -> "Cpu":
        pairs = zip(self.orchestrators, before.orchestrators, strict=True)
        return Cpu(tuple(now - then for now, then in pairs), self.postgres - before.postgres)


@asynccontextmanager
async def crowd(*, orchestrators: int = 1, **settings: str) -> AsyncIterator[Crowd]:
    """Orchestrators as in production: their own polling intervals, no limit per key below what is measured."""
    (port,) = free_ports(1)
    stand_in = f"http://{HOST}:{port}"
    usual = {
        "RUNPOD_ENDPOINT_BASE_URL": f"{stand_in}/v2",
        "POLL_SECONDS_MIN": "1",
        "POLL_SECONDS_MAX": "15",
        "RATE_PER_SECOND": "5000",
        "RATE_BURST": "10000",
        "IN_FLIGHT_LIMIT": "1000000",
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder:
        options = Options(state=Path(folder), port=0, workers={}, orchestrators=orchestrators, orchestrator=usual)
        cloud = Cloud(options)
        try:
            await cloud.supervisor.start(
                Service("stand-in", (PYTHON, "-m", "bench.stand_in", str(port)), cloud.layout.plain_env())
            )
            async with cloud:
                yield Crowd(cloud, stand_in)
        finally:
            await cloud.supervisor.stop()


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ...; empty strings where the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return [""] * 50


def _seconds(pid: int, *, ended_too: bool = False) -> float:
    """`ended_too`: also what its children computed, those that have ended."""
    fields = _stat(pid)[11 : 15 if ended_too else 13]  # utime, stime, cutime, cstime
    return sum(int(field or 0) for field in fields) / TICKS
