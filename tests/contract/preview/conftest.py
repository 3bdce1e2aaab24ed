import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.ports import free_ports
from tests.contract.preview.preview_client import Engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("comfyui"), free_ports(1)[0], "--test-nodes")
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Starts engines with flags of their own."""
    running: list[Engine] = []

    def begin(*flags: str) -> Engine:
        running.append(Engine(tmp_path, free_ports(1)[0], *flags))
        return running[-1]

    yield begin
    for engine in running:
        engine.close()


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """Exchanges of a real ComfyUI 0.25, copied from the recorded captures; tracebacks are left out."""
    told: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
    return told
