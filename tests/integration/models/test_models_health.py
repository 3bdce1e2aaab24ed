"""What HEALTHCHECK asks of a container: does the ComfyUI of this worker answer, if it has been started?"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import health
from tests.integration.models.weight_server import Manner, WeightServer

STATS = "/system_stats"
Start = Callable[[int], None]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A process that looks like ComfyUI in /proc, at this port."""
    monkeypatch.setenv("COMFYUI_BASE_DIR", str(tmp_path))
    running: list[subprocess.Popen[bytes]] = []

    def run(port: int) -> None:
        words = ["--port", str(port), "--base-directory", str(tmp_path)]
        code = "print(flush=True); import time; time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()

    yield run
    for process in running:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.usefixtures("start")
def test_before_comfyui_is_started_nothing_is_wrong() -> None:
    assert health.main() == 0


@pytest.mark.parametrize(("manner", "status"), [(Manner(), 0), (Manner(status=500), 1), (Manner(hold=True), 1)])
def test_it_answers_or_it_does_not(
    server: WeightServer, start: Start, monkeypatch: pytest.MonkeyPatch, manner: Manner, status: int
) -> None:
    if manner.hold:
        monkeypatch.setattr(health, "SECONDS", 0.5)
    server.put(STATS, b"{}", always=manner)
    start(server.port)
    assert health.main() == status


def test_nobody_listens_there(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start(9)
    assert health.main() == 1
    assert "ComfyUI does not answer: ConnectError" in capsys.readouterr().err
