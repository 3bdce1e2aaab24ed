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
from local.comfyui_preview.numerics.encoder import Sound, write_delivered
from local.comfyui_preview.numerics.frames import Frames, cut, span

_SEED = 7
_STAMP = 4  # values; enough that no two latents are alike


class Stock:
    """A folder that the engines of one machine share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def video(
        self,
        target: Path,
        like: Frames,
        fps: int,
        audio: Sound,
        metadata: dict[str, str],
        *,
        shrink: int,
        crf: int,
        preset: str,
    ) -> None:
        """What `write_delivered` makes of other pictures of the same count and size, and of other sound as long."""
        samples = audio[0].shape[1]
        shape = f"{like.count}x{like.width}x{like.height}"

        def render(path: Path) -> None:
            cells = -(-like.width // codec.CELL), -(-like.height // codec.CELL)
            empty = codec.empty(-(-(like.count - 1) // codec.FRAMES_PER_LATENT) + 1, cells[1], cells[0])
            scene = Decoded(base_target(empty, _direction(b"stock", _SEED, fps), from_image=False))
            pictures = span(cut(scene, width=like.width, height=like.height), 0, like.count)
            length = -(-(samples // sound.SAMPLES_PER_MEL + 3) // 4)
            wave = sound.decode(sound.compose(length, b"stock", _SEED))[:, :samples]
            how = {"shrink": shrink, "crf": crf}
            write_delivered(path, pictures, fps, (wave, sound.RATE), metadata, **how, preset=preset)

        self._take(f"{shape}@{fps}-{samples}-{shrink}-{crf}-{preset}.mp4", target, render)

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
