"""Where the kernel counts its kills for want of memory, in trees as hosts and containers show them."""

from pathlib import Path

import pytest

from shared.comfy.memory import counter_of, kills

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
V2 = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n"


def tree(root: Path, files: dict[str, str], cgroup: str) -> Path | None:
    """The counter of process 7 in a tree of these files."""
    for name, text in {**files, "proc/7/cgroup": cgroup}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    found = counter_of(7, root=root / "cg", proc=root / "proc")
    return found and found.relative_to(root / "cg")


@pytest.mark.parametrize(
    ("files", "cgroup", "counter"),
    [
        ({"cg/pod/a/memory.events": V2}, "0::/pod/a\n", "pod/a/memory.events"),
        ({"cg/memory.events": V2}, "0::/\n", "memory.events"),  # a container with a cgroup namespace
        ({"cg/memory.events": V2}, "0::/not/visible/from/here\n", "memory.events"),
        ({"cg/memory/docker/a/memory.oom_control": V1}, "5:cpu:/\n4:memory:/docker/a\n0::/\n", None),
        ({"cg/memory/memory.oom_control": V1}, "4:memory:/docker/a\n0::/\n", "memory/memory.oom_control"),
        ({"cg/memory/memory.oom_control": V1}, "4:hugetlb,memory:/\n", "memory/memory.oom_control"),
        ({"cg/memory.events": V2, "cg/memory/memory.oom_control": "oom_kill_disable 0\n"}, "4:memory:/\n", ""),
        ({}, "0::/\n", ""),
        ({"cg/memory.events": V2}, "3:cpuset:/\n", ""),
    ],
)
def test_the_counter_of_a_process(tmp_path: Path, files: dict[str, str], cgroup: str, counter: str | None) -> None:
    expected = next(iter(files)).removeprefix("cg/") if counter is None else counter
    found = tree(tmp_path, files, cgroup)
    assert str(found or "") == expected
    assert kills(found and tmp_path / "cg" / found) == (3 if expected else None)


def test_a_process_that_has_ended_has_none(tmp_path: Path) -> None:
    assert counter_of(8, root=tmp_path, proc=tmp_path) is None
    assert kills(tmp_path / "gone") is None
