"""Which processes of a local cloud live, as /proc tells."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


def naming(state: Path) -> list[Process]:
    """All processes that name a state folder, in arguments or environment; not this one, nor what started it."""
    found, ours = [], _lineage()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) in ours:
            continue
        try:
            command, stat = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
            said = command + (folder / "environ").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if os.fsencode(state) in said:
            found.append(Process(int(folder.name), _parent(stat), command.replace(b"\0", b" ").decode()[:300]))
    return found


def children(state: Path, parent: int) -> list[Process]:
    return [process for process in naming(state) if process.parent == parent]


def _parent(stat: str) -> int:
    return int(stat.rpartition(")")[2].split()[1])  # the name before it may hold anything


def _lineage() -> set[int]:
    """This process, its parent, and so on."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        pid = _parent(Path(f"/proc/{pid}/stat").read_text())
    return found
