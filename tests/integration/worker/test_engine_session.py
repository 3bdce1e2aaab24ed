import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.comfy.client import ComfyClient
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import BaseGenInput
from shared.errors import FatalError
from shared.stage import Names
from shared.worker.engine import Engine
from workers.base_gen.stage import STAGE as BASE


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


class SlowToStop(ComfyClient):
    """The server's answer to a cancel takes as long as the test likes."""

    gate: asyncio.Event

    async def ask_to_stop(self, prompt_id: str) -> None:
        await self.gate.wait()
        await super().ask_to_stop(prompt_id)


async def test_a_run_stops_even_when_its_job_is_cancelled_again_and_again(tmp_path: Path) -> None:
    """RunPod's SDK repeats a stop signal until the job is gone; the repetition must not save the run."""
    command = f"{sys.executable} -m local.comfyui_preview"
    settings = ComfySettings(command=command, base_dir=tmp_path / "comfyui", extra_args="--step-seconds 5")
    process = ComfyProcess(settings)
    await process.start()
    work = BaseGenInput.model_validate({"prompt": "stop", "resolution": "draft", "duration": 1})
    client = SlowToStop(process.base_url)
    client.gate = asyncio.Event()
    prompt_id = str(uuid4())
    graph = BASE.graph(work, Names(work.attempt_id)).api()
    task = asyncio.create_task(client.run(graph, prompt_id=prompt_id, deadline_seconds=60))
    async with asyncio.timeout(30):
        while await client.place(prompt_id) != "running":  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)  # it asks the server to stop, and waits for the answer
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    closing = asyncio.create_task(client.aclose())
    await asyncio.wait({closing}, timeout=0.1)
    closing.cancel()  # even this does not save it
    client.gate.set()
    async with process.client() as other, asyncio.timeout(10):
        while await other.place(prompt_id) is not None:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.02)
    await client.aclose()
    assert not client.stuck
    await process.stop()
