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
_CONTRAST, _MOST_CONTRAST = 0.04, 1.4  # per cfg above 1
_SHADE = 0.035  # of full luma: how much the sampler and the negative prompt move light and dark
_SHADES = (3, 4)  # rows and columns of patches
_FLATTER = 0.4  # of its contrast a scene loses to a guide
_GUIDE_SPREAD = 0.15  # of full luma: how far a guide should move the scene; thin lines are made stronger for it
_LEAST_SHARE, _MOST_SHARE = 0.5, 1.5  # of the guide's own luma


@dataclass(frozen=True)
class Direction:
    """What shapes a sampling: digest of the text conditioning, noise seed, camera, frames per second, and the rest.

    The negative prompt has a digest only where cfg makes it count.
    """

    digest: bytes
    seed: int
    move: Move
    frame_rate: float
    sampler: str = "euler"
    cfg: float = 1.0
    negative: bytes = b""

    def random(self, purpose: str) -> np.random.Generator:
        said = hashlib.sha256(purpose.encode() + self.digest + self.seed.to_bytes(8, "big"))
        return np.random.default_rng(list(said.digest()))

    def view(self, frame: int, frames: int) -> tuple[View, float]:
        """The camera at pixel frame `frame` of `frames`, and the seconds since the start."""
        whole = (frames - 1) / self.frame_rate
        return self.move.at(frame / max(frames - 1, 1), whole), frame / self.frame_rate

    @property
    def contrast(self) -> float:
        return min(1 + _CONTRAST * (self.cfg - 1), _MOST_CONTRAST)

    def light(self, shape: tuple[int, int]) -> F32:
        """A luma to add to every picture, by which another sampler or negative prompt is seen; 0 for plain euler."""
        patches = np.zeros(_SHADES, np.float32)
        for said in (self.sampler.encode() if self.sampler != "euler" else b"", self.negative):
            if said:
                patches += _SHADE * self.random("light " + said.hex()).standard_normal(_SHADES, np.float32)
        return resize(patches, *shape)


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
    shape = codec.luma_shape(height, width)
    light = direction.light(shape)
    contrast = np.float32(direction.contrast)
    for key in range(codec.luma_keys(count)):
        view, seconds = direction.view(key * codec.FRAMES_PER_LATENT // 2, frames)
        luma = scene.draw(view, seconds, shape, LUMA)[0]
        codec.write_luma(target, key, f32((luma - 0.5) * contrast + 0.5 + light))
    for frame in range(count):
        view, seconds = direction.view(frame * codec.FRAMES_PER_LATENT, frames)
        chroma = scene.draw(view, seconds, codec.chroma_shape(height, width), CHROMA)
        codec.write_chroma(target, frame, f32(chroma * contrast))
    return target


def guided(target: F32, guide: F32, first: int, weight: float) -> F32:
    """A clean latent [128, T, h, w] with the luma of `guide` [128, G, h, w] laid over it from latent frame `first` on.

    The scene is drawn flatter, the guide stands out of it, and the brightness as a whole stays. Weight 0 is no guide.
    """
    result = target.copy()
    keys = codec.luma_keys(guide.shape[1])
    spread = float(np.mean([codec.read_luma(guide, key).std() for key in range(keys)]))
    scene_share = np.float32(1 - _FLATTER * min(weight, 1.0))
    guide_share = np.float32(weight * min(max(_GUIDE_SPREAD / max(spread, 1e-6), _LEAST_SHARE), _MOST_SHARE))
    for key in range(keys):
        scene, wanted = codec.read_luma(target, 2 * first + key), codec.read_luma(guide, key)
        mean = scene.mean()
        luma = mean + scene_share * (scene - mean) + guide_share * (wanted - wanted.mean())
        codec.write_luma(result, 2 * first + key, f32(luma))
    return result


def refine_target(latent: F32, direction: Direction, *, from_image: bool, detail: float = 1.0) -> F32:
    """The clean latent of a refine: the given one, sharper, with detail that moves with the camera.

    The detail is that of latent frame 0 when it holds the input image at full resolution, else a texture. `detail`
    says how much: 1 for a refine.
    """
    _, count, height, width = latent.shape
    rows, columns = codec.luma_shape(height, width)
    if from_image:
        first = codec.read_luma(latent, 0)
        fine = first - resize(resize(first, rows // 2, columns // 2), rows, columns)
    else:
        texture = direction.random("texture" if direction.sampler == "euler" else f"texture {direction.sampler}")
        fine = texture.standard_normal((rows, columns), np.float32) * np.float32(_TEXTURE * detail)
    plane = Photograph(fine, np.empty((0, 0, 0), np.float32), width / height)
    target = latent.copy()
    frames = codec.frames_of(count)
    for key in range(codec.luma_keys(count)):
        picture = codec.read_luma(latent, key)
        view, seconds = direction.view(key * codec.FRAMES_PER_LATENT // 2, frames)
        sharp = picture + np.float32(_SHARPEN * detail) * (picture - _blur(picture))
        codec.write_luma(target, key, f32(sharp + plane.draw(view, seconds, (rows, columns), LUMA)[0]))
    return target


def _blur(picture: F32) -> F32:
    """A 3x3 binomial blur with mirrored edges."""
    wide = np.pad(picture, 1, mode="edge")
    rows = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4
    return f32((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4)
