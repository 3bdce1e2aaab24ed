import numpy as np
import pytest

from local.comfyui_preview.numerics import codec, sound, upscale
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.numerics.camera import FREE
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.diffusion import Direction, base_target, refine_target
from local.comfyui_preview.numerics.frames import picture


def scene(prompt: bytes = b"p", seed: int = 1, size: tuple[int, int] = (3, 4)) -> F32:
    return base_target(codec.empty(4, *size), Direction(prompt, seed, FREE, 24.0), from_image=False)


def test_the_same_is_the_same_to_the_bit() -> None:
    assert scene().tobytes() == scene().tobytes()
    assert sound.compose(30, b"p", 1).tobytes() == sound.compose(30, b"p", 1).tobytes()


def test_prompts_and_seeds_are_far_apart() -> None:
    looks = [picture(Decoded(scene(bytes([p]), s)), 12).astype(float) for p in range(4) for s in range(3)]
    distances = [np.abs(a - b).mean() for i, a in enumerate(looks) for b in looks[:i]]
    assert min(distances) > 8  # of 255
    assert float(np.median(distances)) > 30


def test_scenes_look_like_normalised_latents() -> None:
    for seed in range(10):
        latent = scene(seed=seed)
        assert 0.2 < latent.std() < 2
        assert np.abs(latent).max() < 8


def test_spatial_doubles_and_the_refine_adds_detail() -> None:
    base = scene(size=(3, 4))
    large = upscale.spatial(base)
    assert large.shape == (128, 4, 6, 8)
    refined = refine_target(large, Direction(b"p", 420, FREE, 24.0), from_image=False)

    def fine(latent: F32) -> float:
        return float(np.abs(np.diff(codec.read_luma(latent, 3), 2)).mean())

    def coarse(latent: F32) -> F32:
        luma = codec.read_luma(latent, 3)
        return f32(luma.reshape(luma.shape[0] // 4, 4, -1, 4).mean(axis=(1, 3)))

    assert fine(refined) > 1.3 * fine(large)
    assert np.abs(coarse(refined) - coarse(large)).max() < 0.05, "the refine keeps the picture"


def test_temporal_puts_a_moment_between_every_two() -> None:
    latent = scene()
    longer = upscale.temporal(latent)
    assert longer.shape == (128, 7, 3, 4)
    assert Decoded(longer).count == 2 * Decoded(latent).count - 1
    for key in range(codec.luma_keys(4)):
        np.testing.assert_allclose(codec.read_luma(longer, 2 * key), codec.read_luma(latent, key), atol=1e-5)
    before, between, after = (codec.read_luma(longer, key) for key in (4, 5, 6))
    np.testing.assert_allclose(between, (before + after) / 2, atol=1e-5)
    for frame in range(Decoded(latent).count):
        old, new = picture(Decoded(latent), frame).astype(int), picture(Decoded(longer), 2 * frame)
        assert np.abs(old - new).max() <= 4  # code values; the two were rounded along different ways


@pytest.mark.parametrize(
    ("frames", "fps", "length"), [(241, 24, 252), (361, 24, 377), (481, 24, 502), (25, 24, 27), (121, 24, 127)]
)
def test_audio_latents_are_as_long_as_comfyui_makes_them(frames: int, fps: int, length: int) -> None:
    assert sound.length_of(frames, fps) == length


def test_sound_is_long_enough_and_never_silent() -> None:
    length = sound.length_of(241, 24)
    for latent in (
        sound.compose(length, b"p", 1),
        np.zeros((8, length, 16), np.float32),
        np.full((8, length, 16), -9.0),
    ):
        wave = sound.decode(latent.astype(np.float32))
        assert wave.shape == (2, (4 * length - 3) * 240)
        assert wave.shape[1] >= 241 / 24 * sound.RATE
        assert np.abs(wave).max() <= 1
        parts = wave[:, : 9 * 24_000].reshape(2, 9, -1)
        assert np.sqrt((parts**2).mean(axis=-1)).min() > 0.005


def test_prompts_sound_different() -> None:
    one, other = (sound.decode(sound.compose(60, prompt, 1)) for prompt in (b"a", b"b"))
    assert abs(float(np.corrcoef(one[0], other[0])[0, 1])) < 0.9
