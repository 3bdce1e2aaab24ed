"""What the kernel says about processes that it killed for want of memory.

A kill by the kernel looks like any other SIGKILL. Only the memory cgroup's own count tells it apart: `oom_kill` in
memory.events (cgroup v2) or memory.oom_control (v1).
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
V2, V1 = "memory.events", "memory.oom_control"


def counter_of(pid: int, *, root: Path = ROOT, proc: Path = Path("/proc")) -> Path | None:
    """The file that counts the kills in the memory cgroup of a process; None where there is none to read.

    A container may see its own cgroup as the root of the tree (v2, and v1 with a bind mount), whatever its path.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:  # it has ended, or this is no Linux
        return None
    found = (file for file in _candidates(lines, root) if kills(file) is not None)
    return next(found, None)


def kills(counter: Path | None) -> int | None:
    """How many processes of that cgroup the kernel has killed so far; None where nobody counts."""
    try:
        words = counter.read_text().split() if counter else []
    except OSError:  # v2: the cgroup is gone
        return None
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else None


def _candidates(lines: list[str], root: Path) -> Iterator[Path]:
    """From lines of proc_pid_cgroup `number:controllers:path`; v2 has number 0 and names no controllers."""
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            places, name = [root / "memory"], V1
        elif number == "0":
            places, name = [root, root / "unified"], V2
        else:
            continue
        for place in places:
            yield place / path.lstrip("/") / name
            yield place / name
