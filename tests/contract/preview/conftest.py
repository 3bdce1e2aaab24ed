import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.preview.preview_client import Engine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("comfyui"), free_port(), "--test-nodes")
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Starts engines with flags of their own."""
    running: list[Engine] = []

    def begin(*flags: str) -> Engine:
        running.append(Engine(tmp_path, free_port(), *flags))
        return running[-1]

    yield begin
    for engine in running:
        engine.close()


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """Exchanges of a real ComfyUI 0.25, copied from the recorded captures; tracebacks are left out."""
    told: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
    return told
