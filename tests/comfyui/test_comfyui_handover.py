"""How much is lost between stages."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared import latents
from shared.comfy import sections
from shared.comfy.graph import Link
from shared.contracts.stage import BaseGenInput, new_attempt_id
from shared.contracts.vocabulary import Stage
from shared.stage import Names
from shared.worker import execute
from shared.worker.early_look import READ
from shared.worker.parse import parse
from tests.comfyui.stages import Stages
from workers.base_gen.stage import STAGE as BASE

NARROWED_DB = 40.0
"""Of PSNR in the picture and of signal to noise in the sound, between what is decoded of float32 latents and of their
bfloat16, by decoders that compute in float32. To one that computes in bfloat16 both are the same numbers."""

TILES = ("tile_size", "overlap", "temporal_size", "temporal_overlap")
SEED = 1000  # one scene: how much is lost depends on it

Frames = npt.NDArray[np.float64]


class TestHandover:
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
    made = {name: graph.node(sections.SAVE_VIDEO).inputs[name] for name in ("samples", "vae", *TILES)}
    asked = graph.add("Decode", "VAEDecodeTiled", **made)
    asked = asked.add("Stills", "SaveImage", images=Link("Decode"), filename_prefix=names.prefix("still"))
    heard = {"audio": Link(sections.DECODE_AUDIO), "filename_prefix": names.prefix("heard")}
    asked = asked.add("Heard", "SaveAudio", **heard).remove(sections.SAVE_VIDEO)
    async with stages.engine.session(names) as comfy:
        await execute.hand_over(comfy, {role: files[role] for role in READ}, names)
        run = await execute.execute(comfy, asked, seconds=300, on_progress=lambda _: None, idle=True)
        for number, ref in enumerate(run.files("Stills")):
            await comfy.fetch_output(ref, folder / f"{number:03}.png")
        (flac,) = run.files("Heard")
        sound = await comfy.fetch_output(flac, stages.folder / f"{names.attempt_id}.flac")
    frames = np.stack([np.asarray(Image.open(path), float) for path in sorted(folder.iterdir())])
    raw = await asyncio.to_thread(ff, "-i", str(sound), "-f", "f32le", "-")
    return frames, np.frombuffer(raw, np.float32).astype(float)


def decibels(signal: float, one: Frames, other: Frames) -> float:
    """Of a power over that of the difference."""
    noise = float(np.mean((one - other) ** 2))
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))


def ff(*arguments: str) -> bytes:
    """ffmpeg's stdout."""
    argv = ["ffmpeg", "-v", "error", "-y", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
