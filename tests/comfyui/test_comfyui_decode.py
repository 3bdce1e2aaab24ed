"""Our own node in a real ComfyUI: the core decoder's pixels, and what is left when it is stopped or its ffmpeg dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from shared import models
from shared.comfy.client import ComfyClient
from shared.comfy.graph import Graph, Link
from shared.errors import CapacityError, FatalError, MivoError
from tests.comfyui.servers import Server

SECONDS = 240.0
RECIPE = {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 24}
SMALL = {"tile_size": 128, "overlap": 32, "temporal_size": 64, "temporal_overlap": 24}


@pytest.fixture
async def comfy(server: Server) -> AsyncIterator[ComfyClient]:
    if server.name == "preview":
        pytest.skip("the preview engine decodes no tiles")
    await server.engine.start()
    async with server.process.client() as client:
        yield client


async def run(comfy: ComfyClient, graph: Graph) -> Any:
    return await comfy.run(graph.api(), prompt_id=str(uuid4()), deadline_seconds=SECONDS)


def vae() -> Graph:
    return Graph().add("VAE", "VAELoader", vae_name=models.file("video_vae").name)


class TestPixels:
    @pytest.mark.parametrize(
        ("latent", "tiles", "count"),
        [
            ((13, 3, 4), RECIPE, 2),  # in time alone: a draft
            ((14, 6, 4), SMALL, 6),
            ((13, 7, 5), SMALL, 8),
            ((4, 3, 4), RECIPE, 1),
        ],
    )
    async def test_every_frame_is_the_core_decoders(
        self,
        comfy: ComfyClient,
        record_property: Callable[[str, object], None],
        latent: tuple[int, int, int],
        tiles: dict[str, int],
        count: int,
    ) -> None:
        if "TestSameFrames" not in await comfy.object_info():
            pytest.skip("this server has no test nodes; link tests/comfyui/custom_nodes/mivo_tiny into it")
        size = dict(zip(("latents", "rows", "columns"), latent, strict=True))
        ran = await run(comfy, vae().add("Same", "TestSameFrames", vae=Link("VAE"), **size, **tiles))
        (said,) = next(output["text"] for output in ran.outputs.values() if "text" in output)
        frames = 8 * latent[0] - 7
        assert said.endswith(f"{frames} of {frames} frames, 0.0 apart")
        record_property("tiles", said.split()[0])
        assert said.startswith(f"{count} tiles") or count == 0


def long(name: str) -> Graph:
    """Many tiles, so that there is time to do something to it; all of them of zeros."""
    length = 4 * 24 + 1
    graph = vae().add("Sound VAE", "LTXVAudioVAELoader", ckpt_name=models.file("audio_vae").name)
    graph = graph.add("Latent", "EmptyLTXVLatentVideo", width=512, height=512, length=length, batch_size=1)
    graph = graph.add(
        "Sound latent",
        "LTXVEmptyLatentAudio",
        frames_number=length,
        frame_rate=24,
        batch_size=1,
        audio_vae=Link("Sound VAE"),
    )
    graph = graph.add("Sound", "LTXVAudioVAEDecode", samples=Link("Sound latent"), audio_vae=Link("Sound VAE"))
    links = {"samples": Link("Latent"), "vae": Link("VAE"), "audio": Link("Sound")}
    crop = {"x": 0, "y": 0, "width": 512, "height": 512, "shrink": 1}
    how = {"fps": 24, "frames": 96, "crf": 23, "preset": "ultrafast", "comment": "", "filename_prefix": name}
    return graph.add("Video", "MivoDecodeToVideo", **links, **SMALL, **crop, **how)


def encoders(pid: int) -> list[int]:
    """The ffmpegs that a process has started and that have not ended."""
    children = [int(pid) for path in Path(f"/proc/{pid}/task").glob("*/children") for pid in path.read_text().split()]
    return [child for child in children if Path(f"/proc/{child}/comm").read_text().strip() == "ffmpeg"]


class TestTroubles:
    async def encoding(self, server: Server) -> list[int]:
        """Waits until ffmpeg takes frames."""
        pid = server.process.pid
        if pid is None:
            pytest.skip("the processes of a server that runs already are not ours to touch")
        none = retry_if_result(lambda found: not found)
        tries = AsyncRetrying(stop=stop_after_delay(SECONDS), wait=wait_fixed(0.05), retry=none)
        found: list[int] = await tries(asyncio.to_thread, encoders, pid)
        return found

    async def test_an_interrupt_in_mid_decode_leaves_no_ffmpeg_and_no_file(
        self, comfy: ComfyClient, server: Server
    ) -> None:
        before, pid = server.files(), server.process.pid
        job = asyncio.create_task(run(comfy, long(f"stopped/{uuid4().hex}")))
        await self.encoding(server)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert server.process.pid == pid is not None
        assert encoders(pid) == []
        assert server.files() == before

    @pytest.mark.parametrize(
        ("signal_", "kind", "code"),
        [(signal.SIGTERM, FatalError, "internal"), (signal.SIGKILL, CapacityError, "out_of_memory")],
    )
    async def test_a_dead_ffmpeg_fails_the_node_in_typed_words(
        self, comfy: ComfyClient, server: Server, signal_: signal.Signals, kind: type[MivoError], code: str
    ) -> None:
        before = server.files()
        job = asyncio.create_task(run(comfy, long(f"died/{uuid4().hex}")))
        for encoder in await self.encoding(server):
            os.kill(encoder, signal_)
        with pytest.raises(kind) as caught:
            await job
        assert (caught.value.code, "'Video' (MivoDecodeToVideo)" in str(caught.value)) == (code, True)
        assert "ffmpeg" in str(caught.value)
        assert server.files() == before
