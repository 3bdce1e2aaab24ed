from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.comfy.client import ComfyClient
from tests.integration.comfy.scripted_comfy import ScriptedComfy


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[ScriptedComfy]:
    server = ScriptedComfy(tmp_path / "comfyui")
    server.begin()
    yield server
    server.end()


@pytest.fixture
async def client(comfy: ScriptedComfy) -> AsyncIterator[ComfyClient]:
    async with ComfyClient(
        comfy.url,
        request_seconds=2.0,
        poll_seconds=0.2,
        history_seconds=3.0,
        cancel_seconds=2.0,
        connect_seconds=2.0,
        reconnects=3,
    ) as made:
        yield made
