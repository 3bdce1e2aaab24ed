"""How much is lost between stages, and between ComfyUI's decoder and the delivered video."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared import geometry, latents, media
from shared.comfy import sections
from shared.comfy.graph import Link
from shared.contracts.stage import BaseGenInput, new_attempt_id
from shared.contracts.vocabulary import Resolution, Stage
from shared.stage import Names
from shared.worker import execute
from shared.worker.early_look import READ
from shared.worker.outputs import CRF, PRESET
from shared.worker.parse import parse
from tests.comfyui.stages import Stages
from workers.base_gen.stage import STAGE as BASE

LOST_DB = 1.0
"""Of PSNR at 45 dB, against encoding the decoder's own frames at once: no eye sees it. On the preview's scenes the real
server's encoder loses 0.35 dB, the preview's quicker one 0.6, and SaveVideo's H.264 would lose 2.5."""

NARROWED_DB = 40.0
"""Of PSNR in the picture and of signal to noise in the sound, between what is decoded of float32 latents and of their
bfloat16, by decoders that compute in float32. To one that computes in bfloat16 both are the same numbers."""

SEED = 1000  # one scene: how much is lost depends on it

Frames = npt.NDArray[np.float64]


class TestHandover:
    async def test_the_detour_over_comfyuis_file_costs_next_to_nothing(
        self, stages: Stages, record_property: Callable[[str, object], None]
    ) -> None:
        given = {**stages.asked("t2v", seed=SEED), "half_resolution": False, "ending": "video"}
        names = Names(new_attempt_id())
        graph = BASE.graph(parse(Stage.BASE_GEN, given, stages.store), names)
        images = {"images": Link(sections.DECODE_VIDEO), "filename_prefix": names.prefix("still")}
        asked = graph.add("Save stills", "SaveImage", **images)
        async with stages.engine.session(names) as comfy:
            run = await execute.execute(comfy, asked, seconds=300, on_progress=lambda _: None)
            stills = stages.folder / "stills"
            stills.mkdir()
            for number, ref in enumerate(run.files("Save stills")):
                await comfy.fetch_output(ref, stills / f"{number:03}.png")
            made = await execute.collect(comfy, graph, run, names, stages.folder)
        whole = stages.folder / "whole.mkv"
        await asyncio.to_thread(ff, "-framerate", "24", "-i", str(stills / "%03d.png"), "-c:v", "ffv1", str(whole))
        truth = np.stack([np.asarray(Image.open(path), float) for path in sorted(stills.iterdir())])
        at_once, by_file = [
            await delivered(pictures, made["sound"], truth, stages.folder) for pictures in (whole, made["clip"])
        ]
        record_property("PSNR, encoded at once and after ComfyUI's file", f"{at_once:.2f} dB, {by_file:.2f} dB")
        assert by_file > at_once - LOST_DB

    async def test_bfloat16_shows_in_neither_picture_nor_sound(
        self, stages: Stages, record_property: Callable[[str, object], None]
    ) -> None:
        work = parse(Stage.BASE_GEN, {**stages.asked("t2v", seed=SEED), "ending": "latents"}, stages.store)
        assert isinstance(work, BaseGenInput)
        names = Names(new_attempt_id())
        graph = BASE.graph(work, names)
        async with stages.engine.session(names) as comfy:
            run = await execute.execute(comfy, graph, seconds=300, on_progress=lambda _: None)
            made = await execute.collect(comfy, graph, run, names, stages.folder)
        picture, sound = await decoded(stages, work, made)
        sizes = {role: made[role].stat().st_size for role in READ}
        for role in READ:
            assert latents.narrow(made[role], latents.LATENT).dtype == "BF16"
        shrunk = made["video_latent"].stat().st_size / sizes["video_latent"]
        assert shrunk < 0.55
        picture_too, sound_too = await decoded(stages, work, made)
        seen = decibels(255.0**2, picture, picture_too)
        heard = decibels(float(np.mean(sound**2)), sound, sound_too)
        record_property("bytes, PSNR and SNR in bfloat16", f"{shrunk:.2f}, {seen:.1f} dB, {heard:.1f} dB")
        assert min(seen, heard) > NARROWED_DB


async def decoded(stages: Stages, work: BaseGenInput, files: Mapping[str, Path]) -> tuple[Frames, Frames]:
    """The frames and the sound of these latents, by the decoders of the stage."""
    names = Names(new_attempt_id())
    folder = stages.folder / names.attempt_id
    folder.mkdir()
    assert BASE.look
    graph = BASE.look(work, names)
    images = {"images": Link(sections.DECODE_VIDEO), "filename_prefix": names.prefix("still")}
    asked = graph.add("Save stills", "SaveImage", **images)
    async with stages.engine.session(names) as comfy:
        await execute.hand_over(comfy, {role: files[role] for role in READ}, names)
        run = await execute.execute(comfy, asked, seconds=300, on_progress=lambda _: None, idle=True)
        for number, ref in enumerate(run.files("Save stills")):
            await comfy.fetch_output(ref, folder / f"{number:03}.png")
        made = await execute.collect(comfy, graph, run, names, stages.folder)
    frames = np.stack([np.asarray(Image.open(path), float) for path in sorted(folder.iterdir())])
    raw = await asyncio.to_thread(ff, "-i", str(made["sound"]), "-f", "f32le", "-")
    return frames, np.frombuffer(raw, np.float32).astype(float)


def decibels(signal: float, one: Frames, other: Frames) -> float:
    """Of a power over that of the difference."""
    noise = float(np.mean((one - other) ** 2))
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))


async def delivered(pictures: Path, sound: Path, truth: Frames, folder: Path) -> float:
    """PSNR in dB of what is delivered of these pictures, as it is sold."""
    tier, clip, target = geometry.tier(Resolution.DRAFT, half=False), geometry.clip(1), folder / "delivered.mp4"
    await media.deliver_video(
        pictures,
        sound,
        target,
        crop=tier.crop,
        frames=clip.deliver,
        fps=clip.fps,
        seconds=clip.seconds,
        crf=CRF[Resolution.HD],
        preset=PRESET[Resolution.HD],
    )
    matrix = "scale=in_color_matrix=bt709:in_range=tv:flags=accurate_rnd+full_chroma_int,format=rgb24"
    raw = await asyncio.to_thread(ff, "-i", str(target), "-vf", matrix, "-f", "rawvideo", "-")
    crop = tier.crop
    seen = np.frombuffer(raw, np.uint8).reshape(clip.deliver, crop.height, crop.width, 3)
    wanted = truth[: clip.deliver, crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return float(10 * np.log10(255**2 / np.mean((seen - wanted) ** 2)))


def ff(*arguments: str) -> bytes:
    """ffmpeg's stdout."""
    argv = ["ffmpeg", "-v", "error", "-y", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
