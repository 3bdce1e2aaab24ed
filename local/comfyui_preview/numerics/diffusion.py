"""What the sampler of the preview arrives at: a scene for a base pass, detail for a refine, by prompt and seed."""

import hashlib
from dataclasses import dataclass

import numpy as np

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, f32, resize
from local.comfyui_preview.numerics.camera import Move, View
from local.comfyui_preview.numerics.scene import CHROMA, LUMA, Photograph, Scene, landscape, orbs

_TEXTURE = 0.012  # of full luma
_SHARPEN = 0.5
_LIGHTS_ON_A_PHOTOGRAPH = 0.35


@dataclass(frozen=True)
class Direction:
    """What shapes a sampling: digest of the text conditioning, noise seed, camera, frames per second."""

    digest: bytes
    seed: int
    move: Move
    frame_rate: float

    def random(self, purpose: str) -> np.random.Generator:
        said = hashlib.sha256(purpose.encode() + self.digest + self.seed.to_bytes(8, "big"))
        return np.random.default_rng(list(said.digest()))

    def view(self, frame: int, frames: int) -> tuple[View, float]:
        """The camera at pixel frame `frame` of `frames`, and the seconds since the start."""
        whole = (frames - 1) / self.frame_rate
        return self.move.at(frame / max(frames - 1, 1), whole), frame / self.frame_rate


def base_target(latent: F32, direction: Direction, *, from_image: bool) -> F32:
    """The clean latent [128, T, h, w] of a base pass: the image of latent frame 0 in motion, or a landscape."""
    _, count, height, width = latent.shape
    aspect = width / height
    scene: Scene
    if from_image:
        lights = orbs(direction.random("lights"), 5, _LIGHTS_ON_A_PHOTOGRAPH)
        scene = Photograph(codec.read_luma(latent, 0), codec.read_chroma(latent, 0), aspect, lights)
    else:
        scene = landscape(direction.random("landscape"), aspect)
    target = codec.empty(count, height, width)
    frames = codec.frames_of(count)
    for key in range(codec.luma_keys(count)):
        view, seconds = direction.view(key * codec.FRAMES_PER_LATENT // 2, frames)
        codec.write_luma(target, key, scene.draw(view, seconds, codec.luma_shape(height, width), LUMA)[0])
    for frame in range(count):
        view, seconds = direction.view(frame * codec.FRAMES_PER_LATENT, frames)
        codec.write_chroma(target, frame, scene.draw(view, seconds, codec.chroma_shape(height, width), CHROMA))
    return target


def refine_target(latent: F32, direction: Direction, *, from_image: bool) -> F32:
    """The clean latent of a refine: the given one, sharper, with detail that moves with the camera.

    The detail is that of latent frame 0 when it holds the input image at full resolution, else a texture.
    """
    _, count, height, width = latent.shape
    rows, columns = codec.luma_shape(height, width)
    if from_image:
        first = codec.read_luma(latent, 0)
        detail = first - resize(resize(first, rows // 2, columns // 2), rows, columns)
    else:
        detail = direction.random("texture").standard_normal((rows, columns), np.float32) * np.float32(_TEXTURE)
    plane = Photograph(detail, np.empty((0, 0, 0), np.float32), width / height)
    target = latent.copy()
    frames = codec.frames_of(count)
    for key in range(codec.luma_keys(count)):
        picture = codec.read_luma(latent, key)
        view, seconds = direction.view(key * codec.FRAMES_PER_LATENT // 2, frames)
        sharp = picture + _SHARPEN * (picture - _blur(picture))
        codec.write_luma(target, key, f32(sharp + plane.draw(view, seconds, (rows, columns), LUMA)[0]))
    return target


def _blur(picture: F32) -> F32:
    """A 3x3 binomial blur with mirrored edges."""
    wide = np.pad(picture, 1, mode="edge")
    rows = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4
    return f32((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4)
