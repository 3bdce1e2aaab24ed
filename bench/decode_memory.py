"""Host memory of the last stage, and whether it grows with the clip: on the preview engine, which streams as we do.

What the node needs inside of a real ComfyUI is measured by `bench/decode_in_comfyui.py`; docs/performance.md has both.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from bench.rows import Row
from shared import geometry, latents
from shared.comfy import sections
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import TemporalUpscaleInput, new_attempt_id
from shared.contracts.vocabulary import Resolution
from shared.stage import Names
from shared.worker import execute
from shared.worker.warm_up import BLANK
from workers.temporal_upscale.stage import STAGE

MUST_MB = 2000.0
SECONDS = (1, 4)
"""Of 1080p at 48 fps. Short ones show the growth: the longer takes as much more as it has in memory."""
DEADLINE = 300.0
MB = 1e6


async def measure() -> list[Row]:
    """Each length in a fresh process, as one that has needed memory does not give all of it back."""
    found = {seconds: await _once(seconds) for seconds in SECONDS}
    short, long = (found[seconds] for seconds in SECONDS)
    tensor = 48 * SECONDS[1] * 1920 * 1088 * 12 / MB
    return [
        Row(
            "memory of decode and encode, 1080p at 48 fps, preview engine",
            f"under {MUST_MB / 1000:.0f} GB, whatever the length",
            f"{short:.0f} MB for {SECONDS[0]} s, {long:.0f} MB for {SECONDS[1]} s above the idle engine (as float32 "
            f"the longer has {tensor:.0f} MB)",
            max(short, long) < MUST_MB,
        )
    ]


async def _once(seconds: int) -> float:
    """MB that the engine, without its ffmpeg, had at the most above what it had before."""
    with tempfile.TemporaryDirectory(prefix="bench-decode-") as folder:
        base = Path(folder, "base")
        command = f"{sys.executable} -m local.comfyui_preview"
        process = ComfyProcess(ComfySettings(url=None, dir=None, command=command, base_dir=base))
        await process.start()
        try:
            before = _megabytes(process.pid, "VmRSS")
            async with process.client() as comfy:
                names, clip = Names(new_attempt_id()), geometry.clip(seconds)
                work = TemporalUpscaleInput(video_latent=BLANK, audio_latent=BLANK, resolution=Resolution.FULL_HD)
                graph = STAGE.graph(work, names)
                graph = graph.set(sections.SAVE_VIDEO, frames=clip.doubled().deliver)
                size = geometry.tier(Resolution.FULL_HD, half=False).generate
                shapes = {
                    "video_latent": geometry.video_latent_shape(size, clip.generate),
                    "audio_latent": geometry.audio_latent_shape(clip.generate),
                }
                await execute.hand_over(
                    comfy, {role: _latent(Path(folder, role), shapes[role]) for role in shapes}, names
                )
                await execute.execute(comfy, graph, seconds=DEADLINE, on_progress=lambda _: None)
            return _megabytes(process.pid, "VmHWM") - before
        finally:
            await process.stop()


def _latent(path: Path, shape: tuple[int, ...]) -> Path:
    noise = np.random.default_rng(1).standard_normal(shape, np.float32)
    save_file({latents.LATENT: noise, "latent_format_version_0": np.zeros(0, np.float32)}, path)
    return path


def _megabytes(pid: int | None, what: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024 / MB
