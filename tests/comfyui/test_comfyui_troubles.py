"""What goes wrong around one server, on the preview engine and on a real ComfyUI."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from local.tiny_models.draw import draw, save
from local.tiny_models.tensor import Tensor
from shared import models
from shared.comfy.process import ComfyProcess
from shared.contracts.stage import new_attempt_id
from shared.contracts.vocabulary import Camera, Precision, Quality, Stage
from shared.errors import FatalError
from shared.stage import Names
from shared.worker import execute
from shared.worker.engine import Engine
from shared.worker.parse import parse
from tests.comfyui import servers
from tests.comfyui.proxy import Proxy
from tests.comfyui.servers import Server
from tests.comfyui.stages import Stages, with_trouble
from workers.base_gen.stage import STAGE as BASE

Record = Callable[[str, object], None]
LONG = {"quality": Quality.PRO, "precision": Precision.FULL, "steps": 40}
"""Enough sampler steps to be caught in."""
CATCH_SECONDS = 120.0


class Caught:
    """Hears a job's progress, and knows when it is in the middle of sampling."""

    def __init__(self) -> None:
        self.sampling = asyncio.Event()

    def __call__(self, post: dict[str, Any]) -> None:
        if post["phase"] == "executing" and post.get("step"):
            self.sampling.set()

    async def wait(self) -> None:
        async with asyncio.timeout(CATCH_SECONDS):
            await self.sampling.wait()


class TestTroubles:
    async def test_two_jobs_in_a_row_leave_nothing_behind(self, stages: Stages, server: Server) -> None:
        before = server.files()
        first = await stages.ok(BASE, **stages.asked("t2v"))
        process = stages.engine.pid
        second = await stages.ok(BASE, **stages.asked("t2v", seed=stages.seed + 1))
        assert stages.engine.pid == process
        assert not np.array_equal(stages.latent(first), stages.latent(second))
        assert server.files() == before

    async def test_a_retry_of_an_identical_job_writes_its_files(self, stages: Stages) -> None:
        attempt = new_attempt_id()
        first = await stages.ok(BASE, **stages.asked("t2v"), attempt_id=attempt)
        stages.store.discard_manifest(Stage.BASE_GEN, first.stage_key)  # its worker died before it was written
        second = await stages.ok(BASE, **stages.asked("t2v"), attempt_id=attempt)
        assert not second.reused
        assert second.artifacts["video_latent"].key != first.artifacts["video_latent"].key
        assert np.array_equal(stages.latent(first), stages.latent(second))

    async def test_an_identical_graph_is_answered_from_the_cache(self, stages: Stages, server: Server) -> None:
        """Why names carry the attempt: the server calls it a success, and writes nothing."""
        work = parse(Stage.BASE_GEN, {**stages.asked("t2v"), "ending": "latents"}, stages.store)
        names = Names(new_attempt_id())
        graph = BASE.graph(work, names)
        async with stages.engine.session(names) as comfy:
            run = await execute.execute(comfy, graph, seconds=300, on_progress=lambda _: None)
            assert set(await execute.collect(comfy, graph, run, names, stages.folder)) == {
                "video_latent",
                "audio_latent",
                "conditioning",
                "detail_conditioning",
            }
        if server.process.attached:
            pytest.skip("its files are not ours to remove, so the second answer has them")
        async with stages.engine.session(names) as comfy:
            again = await execute.execute(comfy, graph, seconds=300, on_progress=lambda _: None)
            assert len(again.cached) == len(graph.nodes)
            with pytest.raises(FatalError) as caught:
                await execute.collect(comfy, graph, again, names, stages.folder)
        assert caught.value.code == "bad_output"

    async def test_a_cancel_in_mid_sampling_stops_the_server(
        self, stages: Stages, server: Server, record_property: Record
    ) -> None:
        await stages.engine.start()
        before, process = server.files(), stages.engine.pid
        caught = Caught()
        job = asyncio.create_task(stages.run(BASE, report=caught, **stages.asked("t2v", **LONG)))
        await caught.wait()
        started = time.monotonic()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        record_property("stopped after", f"{time.monotonic() - started:.1f} s")
        async with server.process.client() as client:
            queue = await client._get_object("/queue")
        assert queue == {"queue_running": [], "queue_pending": []}
        assert server.files() == before
        await stages.ok(BASE, **stages.asked("t2v"))
        assert stages.engine.pid == process

    @pytest.mark.parametrize(
        ("kind", "code", "fresh"),
        [
            ("value_error", "internal", False),
            ("torch_oom", "out_of_memory", True),
            ("memory_error", "out_of_memory", True),
        ],
    )
    async def test_a_failing_node_is_named_and_the_next_job_works(
        self, stages: Stages, server: Server, kind: str, code: str, fresh: bool
    ) -> None:
        await stages.engine.start()
        async with server.process.client() as client:
            if "TestRaise" not in await client.object_info():
                pytest.skip("this server has no test nodes; link tests/comfyui/custom_nodes/mivo_tiny into it")
        process = stages.engine.pid
        failing = with_trouble(BASE, "TestRaise", kind=kind, nonce=0)
        error = await stages.error(failing, **stages.asked("t2v", seed=stages.seed + 1))
        assert error.code == code
        assert error.stage == Stage.BASE_GEN
        await stages.ok(BASE, **stages.asked("t2v"))
        if not server.process.attached:
            assert (stages.engine.pid != process) is fresh

    async def test_a_lora_that_fits_nothing_is_an_error(self, stages: Stages, server: Server) -> None:
        """ComfyUI itself calls it a success, and says so in its log alone."""
        if server.name == "preview":
            pytest.skip("the preview engine reads no weights")
        if server.process.base_dir is None:
            pytest.skip("the files of a server that runs already are not ours to change")
        file = models.file("camera/jib_up")
        path = server.process.base_dir / "models" / file.folder / file.name
        good = path.read_bytes()
        alien = {"diffusion_model.nowhere.lora_A.weight": (4, 128), "diffusion_model.nowhere.lora_B.weight": (128, 4)}
        save(path, draw({key: Tensor(shape, 1.0) for key, shape in alien.items()}, seed=0), {})
        try:
            error = await stages.error(BASE, **stages.asked("t2v", camera=Camera.JIB_UP))
        finally:
            path.write_bytes(good)
        assert (error.code, "lora key not loaded" in error.message) == ("model_missing", True)
        await stages.ok(BASE, **stages.asked("t2v", camera=Camera.JIB_UP))

    async def test_a_dropped_websocket_is_no_end(self, stages: Stages, server: Server, record_property: Record) -> None:
        await stages.engine.start()
        host, port = server.process.base_url.removeprefix("http://").split(":")
        async with Proxy(host, int(port)) as proxy:
            process = ComfyProcess(servers.only(url=proxy.url))
            through = Stages(stages.store, Engine(process), stages.folder, stages.seed)
            caught = Caught()
            job = asyncio.create_task(through.run(BASE, report=caught, **stages.asked("t2v", **LONG)))
            await caught.wait()
            cut = proxy.cut()
            answer = await job
            assert "error" not in answer, answer
            assert (cut, proxy.sockets > 1) == (1, True)
            record_property("sockets", proxy.sockets)
        straight = await stages.ok(BASE, **stages.asked("t2v", **LONG))
        assert straight.reused
