"""What crosses between stages of the latents of 720p and 10 s, beside what ComfyUI's SaveLatent writes."""

import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from bench.rows import Row
from shared import geometry, latents
from shared.contracts.vocabulary import Resolution

MUST = 0.55


def measure() -> list[Row]:
    """As the spatial stage leaves them: full size, with the sound."""
    size, frames = geometry.tier(Resolution.HD, half=False).generate, geometry.clip(10).generate
    shapes = (geometry.video_latent_shape(size, frames), geometry.audio_latent_shape(frames))
    draw = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.latent" for number in range(len(shapes))]
        for path, shape in zip(paths, shapes, strict=True):
            version = np.zeros(0, np.float32)
            save_file({latents.LATENT: draw.normal(size=shape).astype("f4"), "latent_format_version_0": version}, path)
        saved = sum(path.stat().st_size for path in paths)
        began = time.perf_counter()
        for path in paths:
            latents.narrow(path, latents.LATENT)
        took = time.perf_counter() - began
        ours = sum(path.stat().st_size for path in paths)
    return [
        Row(
            "latents of 720p, 10 s: bytes that cross, of what ComfyUI's own save writes",
            f"at most {MUST}",
            f"{ours / saved:.3f} ({ours / 1e6:.1f} of {saved / 1e6:.1f} MB, checked and narrowed in {took:.2f} s)",
            ours / saved <= MUST,
        )
    ]
