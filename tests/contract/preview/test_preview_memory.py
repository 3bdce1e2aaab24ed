"""Long clips within bounded memory: what a clip would weigh as float32 pictures stands beside each limit."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.preview.preview_client import Engine, disc, film, probe
from tests.contract.preview.preview_graphs import CONTROL_MODELS, base, controlled, delivered, refine

_LIMIT_MB = 1500
_DEADLINE = 240.0


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had in RAM, as the kernel counts it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def told_peak(engine: Engine, capsys: pytest.CaptureFixture[str], what: str) -> float:
    peak = peak_mb(engine.process.pid)
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: peak RSS of the engine {peak:.0f} MB\n")
    return peak


# In short: 3 s of 1080p at 48 frames per second, 3.6 GB. In full (-m slow): 20 s, the longest clip there is, 23.9 GB.
@pytest.mark.parametrize(("frames", "seconds"), [(73, 3), pytest.param(481, 20, marks=pytest.mark.slow)])
def test_a_long_clip_never_stands_in_memory(
    start: Callable[..., Engine], capsys: pytest.CaptureFixture[str], frames: int, seconds: int
) -> None:
    engine = start()
    engine.outputs(base("long", size=(960, 544), frames=frames), deadline=_DEADLINE)
    engine.outputs(refine("longr", "long"), deadline=_DEADLINE)
    graph = delivered("longv", "longr", size=(1920, 1080), y=4, frames=48 * seconds, fps=48)
    told = probe(engine.outputs(graph, deadline=_DEADLINE)["save"])
    video = told["streams"][0]
    assert (video["width"], video["height"], video["nb_frames"]) == (1920, 1080, str(48 * seconds))
    assert float(told["format"]["duration"]) == pytest.approx(seconds, abs=0.002)
    assert told_peak(engine, capsys, f"{seconds} s of 1080p at 48 fps") < _LIMIT_MB


def test_a_control_video_never_stands_in_memory(
    start: Callable[..., Engine], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(CONTROL_MODELS))
    film(tmp_path / "input" / "large.mp4", disc(49, 1920, 1088))  # 1.2 GB
    engine = start("--model-names", str(names))
    graph = controlled("guided", "canny", "large.mp4", size=(960, 544), frames=49)
    engine.outputs(graph, deadline=_DEADLINE)
    assert told_peak(engine, capsys, "2 s of 1080p as a control video") < _LIMIT_MB / 2
