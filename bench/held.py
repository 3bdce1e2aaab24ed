"""Processes held to a share of a core, so that a machine with few cores has room for all of them.

By the kernel's own bandwidth control, in cgroups (root's right): v2's `cpu.max`, v1's `cpu.cfs_quota_us`
(https://docs.kernel.org/scheduler/sched-bwc.html).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

V2, V1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")
PERIOD = 10_000
"""Microseconds; short, so that a process waits a few milliseconds for its next share, not a tenth of a second."""


class CannotHoldError(Exception):
    """No cgroup that we may write gives out the CPU here."""


@contextmanager
def held(pids: Sequence[int], cores: float) -> Iterator[None]:
    """Each process, with its threads, gets at most so much of a core inside the block. CannotHoldError."""
    with ExitStack() as stack:
        for pid in pids:
            stack.enter_context(_group(pid, round(cores * PERIOD)))
        yield


@contextmanager
def _group(pid: int, quota: int) -> Iterator[None]:
    controllers = V2 / "cgroup.subtree_control"
    v2 = controllers.exists() and "cpu" in controllers.read_text().split()
    parent = V2 if v2 else V1
    group = parent / f"mivo-bench-{pid}"
    limits = {"cpu.max": f"{quota} {PERIOD}"} if v2 else {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": quota}
    try:
        group.mkdir()
    except OSError as error:
        raise CannotHoldError(f"{parent} takes no cgroup: {error.strerror}") from error
    try:
        for name, value in limits.items():
            (group / name).write_text(str(value))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        if (group / "cgroup.procs").read_text().strip():
            (parent / "cgroup.procs").write_text(str(pid))  # a cgroup with a process in it cannot be removed
        group.rmdir()
