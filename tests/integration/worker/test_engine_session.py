import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.errors import FatalError
from shared.stage import Names
from shared.worker.engine import Engine


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ComfyProcess]:
    command = f"{sys.executable} -m local.comfyui_preview"
    made = ComfyProcess(ComfySettings(command=command, base_dir=tmp_path / "comfyui"))
    yield made
    await made.stop()


def log_line(process: ComfyProcess, line: str) -> None:
    """Into the engine's own log, as if it had written it; returns when our side has read it."""
    mark = process.mark()
    Path(f"/proc/{process.pid}/fd/1").write_text(f"{line}\n")
    end = time.monotonic() + 10
    while process.mark() == mark:
        assert time.monotonic() < end, "the line was not read"
        time.sleep(0.02)


async def test_after_a_lora_that_did_not_fit_the_next_job_gets_a_fresh_process(process: ComfyProcess) -> None:
    engine = Engine(process)
    await engine.start()
    first = engine.pid
    with pytest.raises(FatalError, match="lora key not loaded: x") as caught:
        async with engine.session(Names("a" * 32)):
            log_line(process, "lora key not loaded: x")
    assert caught.value.code == "model_missing"
    async with engine.session(Names("b" * 32)):
        second = engine.pid
    assert second != first
    async with engine.session(Names("c" * 32)):
        assert engine.pid == second
