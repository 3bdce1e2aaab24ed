"""The longest clip there is: 20 s of 1080p at 48 frames per second, within bounded memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.preview.preview_client import Engine, probe
from tests.contract.preview.preview_graphs import base, cropped, decode, refine

_LIMIT_MB = 1500
_DEADLINE = 240.0


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had in RAM, as the kernel counts it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


@pytest.mark.slow
def test_the_longest_clip_never_stands_in_memory(start: Callable[..., Engine]) -> None:
    engine = start()
    engine.outputs(base("long", size=(960, 544), frames=481), deadline=_DEADLINE)
    engine.outputs(refine("longr", "long"), deadline=_DEADLINE)
    graph = decode("longv", "longr", temporal=True, fps=48.0)
    graph = cropped(graph, width=1920, height=1080, y=4, frames=960)
    told = probe(engine.outputs(graph, deadline=_DEADLINE)["save"])
    video = told["streams"][0]
    assert (video["width"], video["height"], video["nb_frames"]) == (1920, 1080, "960")
    assert float(told["format"]["duration"]) == pytest.approx(20.0, abs=0.002)
    assert peak_mb(engine.process.pid) < _LIMIT_MB
