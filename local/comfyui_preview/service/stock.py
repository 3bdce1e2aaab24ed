"""Stock footage: what is delivered where nothing is rendered. Rendered once for each shape, and copied from then on.

It is a real moving scene with real sound, so that the workers' quality gate passes it by its own standards.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from local.comfyui_preview.numerics import codec, sound
from local.comfyui_preview.numerics.arrays import F32
from local.comfyui_preview.numerics.camera import move_of
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.diffusion import Direction, base_target
from local.comfyui_preview.numerics.encoder import write_flac, write_webm
from local.comfyui_preview.numerics.frames import Frames

_SEED = 7
_STAMP = 4  # values; enough that no two latents are alike


class Stock:
    """A folder that the engines of one machine share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clip(self, target: Path, like: Frames, fps: float, metadata: dict[str, str], *, crf: float) -> None:
        """A WebM of the count and size of `like`."""
        name = f"{like.count}x{like.width}x{like.height}@{fps:g}-{crf:g}.webm"

        def render(path: Path) -> None:
            count = (like.count - 1) // codec.FRAMES_PER_LATENT + 1
            empty = codec.empty(count, like.height // codec.CELL, like.width // codec.CELL)
            scene = base_target(empty, _direction(b"stock", _SEED, fps), from_image=False)
            write_webm(path, Decoded(scene), fps, metadata, crf=crf)

        self._take(name, target, render)

    def sound(self, target: Path, samples: int, metadata: dict[str, str]) -> None:
        """A FLAC of so many samples."""

        def render(path: Path) -> None:
            length = -(-(samples // sound.SAMPLES_PER_MEL + 3) // 4)
            wave = sound.decode(sound.compose(length, b"stock", _SEED))[:, :samples]
            write_flac(path, (wave, sound.RATE), metadata)

        self._take(f"{samples}.flac", target, render)

    def _take(self, name: str, target: Path, render: Callable[[Path], None]) -> None:
        kept = self._folder / name
        if not kept.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = self._folder / f".{uuid4().hex}{kept.suffix}"  # another engine may make the same now
            try:
                render(fresh)
                fresh.replace(kept)
            finally:
                fresh.unlink(missing_ok=True)
        shutil.copyfile(kept, target)


def stamped(samples: F32, digest: bytes, seed: int) -> F32:
    """The same latent but for a few values, by prompt and seed: alike ones would be one and the same work."""
    marked = samples.copy()
    marked.reshape(-1)[:_STAMP] += _direction(digest, seed, 1.0).random("stamp").standard_normal(_STAMP, np.float32)
    return marked


def _direction(digest: bytes, seed: int, fps: float) -> Direction:
    return Direction(digest, seed, move_of(()), fps)
