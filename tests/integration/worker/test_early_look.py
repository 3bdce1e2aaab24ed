"""The early look: made after the manifest stands, and never in the way of the job or of the next one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from shared import durations, media
from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.client import ComfyClient
from shared.comfy.graph import Graph
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.artifact import early_look_record_key
from shared.contracts.stage import StageReply
from shared.contracts.vocabulary import Stage
from shared.stage import Names, StageDefinition
from shared.worker import Worker, progress, run_stage
from shared.worker.engine import Engine
from tests.fixtures_s3 import fresh_bucket
from workers.base_gen.stage import STAGE as BASE
from workers.base_gen.stage import early_look

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 60.0
LATENTS: dict[str, Any] = {"resolution": "draft", "duration": 1, "prompt": "a fox", "ending": "latents"}


class Lab:
    """One worker, whose ComfyUI has nodes that fail and wait on demand."""

    def __init__(self, store: ArtifactStore, base: Path) -> None:
        command = f"{sys.executable} -m local.comfyui_preview"
        self.process = ComfyProcess(ComfySettings(command=command, base_dir=base, extra_args="--test-nodes"))
        self.engine, self.store, self.base = Engine(self.process), store, base
        self.looking = asyncio.Event()

    async def run(self, definition: StageDefinition = BASE, **given: Any) -> StageReply:
        job = {"id": "job", "input": {**LATENTS, **given}}
        async with asyncio.timeout(SECONDS):
            answer = await run_stage(Worker(definition, self.store, self.engine), job, self._report)
        assert "error" not in answer, answer
        return StageReply.model_validate(answer)

    def start(self, definition: StageDefinition, **given: Any) -> asyncio.Task[StageReply]:
        self.looking.clear()
        return asyncio.create_task(self.run(definition, **given))

    def _report(self, post: dict[str, Any]) -> None:
        if post["phase"] == "looking":
            self.looking.set()

    async def until_looking(self) -> None:
        """Until ComfyUI works on the look, whose graph has a TestSleep."""
        async with asyncio.timeout(SECONDS):
            await self.looking.wait()
            async with self.process.client() as client:
                while not await self._sleeps(client):  # noqa: ASYNC110  it is another process
                    await asyncio.sleep(0.02)

    async def _sleeps(self, client: ComfyClient) -> bool:
        return "TestSleep" in str((await client._get_object("/queue"))["queue_running"])

    async def dropped(self, definition: StageDefinition, **given: Any) -> str:
        """Why a look was not made; the job is done all the same."""
        with structlog.testing.capture_logs() as lines:
            reply = await self.run(definition, early_look=True, **given)
        assert self.store.looks.read(reply.stage_key) is None
        [why] = [line["why"] for line in lines if line["event"] == "early_look_dropped"]
        return str(why)

    def files(self) -> list[Path]:
        """Of executions, which end with their job."""
        return [path for path in self.base.rglob("*") if path.is_file() and "/ltx2/" in str(path)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(seaweed_settings: S3Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    with fresh_bucket(seaweed_settings) as settings, ArtifactStore(settings) as store:
        made = Lab(store, tmp_path_factory.mktemp("look") / "comfyui")
        yield made
        await made.engine.close()


@pytest.fixture(autouse=True)
def _no_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts keep no distance here: it is there for RunPod's network, and costs a second per job."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


def troubled(class_type: str, **inputs: Any) -> StageDefinition:
    """The base, with one more node in the graph of its early look."""

    def look(work: Any, names: Names) -> Graph:
        graph = early_look(work, names).add("Trouble", class_type, **inputs, nonce=0)
        images = {"images": graph.link("Trouble"), "filename_prefix": names.prefix("trouble")}
        return graph.add("Save trouble", "SaveImage", **images)

    return StageDefinition(BASE.stage, BASE.build, look)


@pytest.mark.parametrize("half", [True, False])
async def test_it_is_a_clip_of_half_the_size_beside_a_manifest_that_knows_nothing_of_it(
    lab: Lab, tmp_path: Path, half: bool
) -> None:
    reply = await lab.run(seed=1, half_resolution=half, early_look=True)
    made = lab.store.looks.read(reply.stage_key)
    assert made is not None
    assert (made.width, made.height, made.frames, made.fps, made.seconds) == (128, 72, 24, 24, 1.0)
    lab.store.download(made, tmp_path / "look.mp4")
    info = await media.probe(tmp_path / "look.mp4")
    assert (info.width, info.height, info.frames, float(info.fps)) == (128, 72, 24, 24.0)
    assert info.has_audio
    assert "preview" in str(info.comment)
    manifest = lab.store.read_manifest(Stage.BASE_GEN, reply.stage_key)
    assert manifest is not None
    assert "video" not in manifest.artifacts
    assert lab.files() == []
    again = await lab.run(seed=1, half_resolution=half, early_look=True)
    assert again.reused
    assert lab.store.looks.read(again.stage_key) == made
    assert (await lab.run(seed=1, half_resolution=half)).stage_key == reply.stage_key, "with and without are one work"


async def test_without_it_none_is_made_and_none_is_made_later(lab: Lab) -> None:
    reply = await lab.run(seed=2)
    assert lab.store.looks.read(reply.stage_key) is None
    assert (await lab.run(seed=2, early_look=True)).reused
    assert lab.store.looks.read(reply.stage_key) is None


async def test_the_latents_are_committed_before_it_begins(lab: Lab) -> None:
    job = lab.start(troubled("TestSleep", seconds=600.0), seed=3, early_look=True)
    await lab.until_looking()
    plain = await Reader(lab).manifest_of(seed=3)
    assert plain.reused, "somebody else finds the work done, while the job goes on"
    assert not job.done()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert lab.files() == []
    pid = lab.engine.pid
    assert not (await lab.run(seed=4)).reused
    assert lab.engine.pid == pid, "a cancel costs nobody a restart"


class Reader:
    """Another worker of the same endpoint, which has no ComfyUI to render with."""

    def __init__(self, lab: Lab) -> None:
        nowhere = ComfyProcess(ComfySettings(url="http://127.0.0.1:9"))
        self._worker = Worker(BASE, lab.store, Engine(nowhere))

    async def manifest_of(self, **given: Any) -> StageReply:
        return StageReply.model_validate(
            await run_stage(self._worker, {"id": "j", "input": {**LATENTS, **given}}, lambda _: None)
        )


@pytest.mark.parametrize(("kind", "code"), [("value_error", "internal"), ("torch_oom", "out_of_memory")])
async def test_whatever_fails_in_it_does_not_reach_the_job(lab: Lab, kind: str, code: str) -> None:
    await lab.engine.start()
    seed, pid = {"value_error": 10, "torch_oom": 12}[kind], lab.engine.pid
    assert (await lab.dropped(troubled("TestRaise", kind=kind), seed=seed)).startswith(code)
    assert not (await lab.run(seed=seed + 1)).reused
    assert (lab.engine.pid != pid) is (kind == "torch_oom"), "after that no process is trusted"


async def test_it_ends_at_its_deadline(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(durations, "LOOK_SECONDS", 1)
        assert await lab.dropped(troubled("TestSleep", seconds=600.0), seed=20) == "TimeoutError"
    following = await lab.run(seed=21, early_look=True)
    assert lab.store.looks.read(following.stage_key) is not None


async def test_a_comfyui_that_dies_in_it_costs_only_the_look(lab: Lab) -> None:
    job = lab.start(troubled("TestSleep", seconds=600.0), seed=30, early_look=True)
    await lab.until_looking()
    assert lab.engine.pid is not None
    os.kill(lab.engine.pid, signal.SIGKILL)
    reply = await job
    assert lab.store.looks.read(reply.stage_key) is None
    assert not (await lab.run(seed=31)).reused


async def test_two_executions_leave_one_record_and_an_unreadable_one_counts_as_none(lab: Lab) -> None:
    reply = await lab.run(seed=40, early_look=True)
    made = lab.store.looks.read(reply.stage_key)
    assert made is not None
    other = made.model_copy(update={"key": "videos/other.mp4"})
    await asyncio.to_thread(lab.store.looks.write, reply.stage_key, other)
    assert lab.store.looks.read(reply.stage_key) == made
    lab.store.upload_bytes(b"{", early_look_record_key(reply.stage_key), media_type="application/json")
    assert lab.store.looks.read(reply.stage_key) is None
