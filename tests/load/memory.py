"""How much memory the processes of a cloud take while it is under load: a leak shows as a line that goes up."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

EVERY = 5.0
"""Seconds between two looks."""
ENGINE = "comfyui"
"""In the command line of a worker's engine, and of no other process."""
SHARE = 5
"""Compared are the medians of the first and of the last fifth of the looks."""

Look = tuple[float, Mapping[str, float]]
"""(seconds since the start, process -> MB)."""


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    engine: bool


class Growth(BaseModel):
    """MB of one process, with those that it started. What processes share is split among them (PSS)."""

    model_config = ConfigDict(frozen=True)

    first: float
    last: float
    most: float


def living() -> list[Process]:
    """All processes of this machine, as /proc tells."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        found.append(Process(int(folder.name), int(fields[1]), ENGINE.encode() in command))
    return found


def megabytes(pid: int) -> float:
    """0 of one that has ended meanwhile."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next((float(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0.0)
    return 0.0


def by_service(
    processes: Iterable[Process], roots: Mapping[str, int], size: Callable[[int], float] = megabytes
) -> dict[str, float]:
    """Service -> MB of its process and all that it started; a worker's engine by itself, as `engine of …`."""
    children = defaultdict(list)
    for process in processes:
        children[process.parent].append(process)
    own = {process.pid: process for group in children.values() for process in group}
    found: dict[str, float] = defaultdict(float)
    for name, pid in roots.items():
        left = [own[pid]] if pid in own else []
        while left:
            process = left.pop()
            left += children[process.pid]
            found[f"engine of {name}" if process.engine else name] += size(process.pid)
    return {name: round(each, 1) for name, each in found.items()}


def growth(looks: Sequence[Look]) -> dict[str, Growth]:
    """Of the processes that lived through all of it; nothing of fewer looks than fifths. Pure."""
    if len(looks) < SHARE:
        return {}
    fifth = len(looks) // SHARE
    found = {}
    for name in looks[0][1]:
        if all(name in seen for _, seen in looks):
            line = [seen[name] for _, seen in looks]
            found[name] = Growth(first=median(line[:fifth]), last=median(line[-fifth:]), most=max(line))
    return found


@asynccontextmanager
async def watched(roots: Callable[[], Mapping[str, int]]) -> AsyncIterator[list[Look]]:
    """The looks, which grow until the end of the block; `roots`: service -> process, of those that run now."""
    looks: list[Look] = []
    watching = asyncio.create_task(_watch(roots, looks))
    try:
        yield looks
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(roots: Callable[[], Mapping[str, int]], looks: list[Look]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        seen = await asyncio.to_thread(lambda: by_service(living(), roots()))
        looks.append((round(loop.time() - began, 1), seen))
        await asyncio.sleep(EVERY)
