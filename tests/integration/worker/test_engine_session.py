import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.errors import FatalError
from shared.stage import Names
from shared.worker import Worker, run_stage
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


async def test_a_run_stops_even_when_its_job_is_cancelled_again_and_again(
    tmp_path: Path, s3_settings: S3Settings
) -> None:
    """RunPod's SDK repeats a stop signal until the job is gone; the repetition must not save the run."""
    command = f"{sys.executable} -m local.comfyui_preview"
    settings = ComfySettings(command=command, base_dir=tmp_path / "comfyui", extra_args="--step-seconds 0.5")
    process = ComfyProcess(settings)
    engine = Engine(process)
    sampling = asyncio.Event()
    with ArtifactStore(s3_settings) as store:
        job = {"id": "job-1", "input": {"prompt": "stop", "resolution": "draft", "duration": 1}}
        report = lambda post: sampling.set() if post["phase"] == "executing" else None  # noqa: E731  three words
        task = asyncio.create_task(run_stage(Worker(BASE, store, engine), job, report))
        await asyncio.wait_for(sampling.wait(), 60)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.01)
        assert task.cancelled()
        async with process.client() as client:
            async with asyncio.timeout(3):
                while (await client._get_object("/queue"))["queue_running"]:  # noqa: ASYNC110  it is another process
                    await asyncio.sleep(0.05)
        pid = engine.pid
        async with engine.session(Names("b" * 32)):
            assert engine.pid == pid, "a cancel that went through costs no restart"
        assert not list((tmp_path / "comfyui" / "output").rglob("*.latent"))
    await process.stop()
