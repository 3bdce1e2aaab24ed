import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, downsampling, interpolation, positions, resize, upsampling
from local.comfyui_preview.numerics.colour import from_rgb, to_rgb
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.frames import Stills, cut, picture, span


def noise(*shape: int) -> F32:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_the_codec_uses_every_channel_once() -> None:
    latent = noise(codec.CHANNELS, 5, 3, 4)
    copy = codec.empty(5, 3, 4)
    for key in range(codec.luma_keys(5)):
        codec.write_luma(copy, key, codec.read_luma(latent, key))
    for frame in range(5):
        codec.write_chroma(copy, frame, codec.read_chroma(latent, frame))
    np.testing.assert_allclose(copy[:, 1:], latent[:, 1:], atol=1e-5)
    np.testing.assert_allclose(codec.read_luma(copy, 0), codec.read_luma(latent, 0), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(coarse=st.integers(4, 60), factor=st.floats(1.0, 6.0))
def test_down_undoes_up_and_keeps_flat_pictures_flat(coarse: int, factor: float) -> None:
    fine = int(coarse * factor)
    product = downsampling(fine, coarse) @ upsampling(coarse, fine)
    np.testing.assert_allclose(product, np.eye(coarse), atol=2e-3)
    np.testing.assert_allclose(upsampling(coarse, fine).sum(axis=1), 1, atol=1e-5)


def test_beyond_its_ends_a_grid_is_mirrored() -> None:
    grid = noise(16)
    inside, outside = interpolation(np.array([0.1, 0.9]), 16), interpolation(np.array([-0.1, 1.1]), 16)
    np.testing.assert_allclose(inside @ grid, outside @ grid, atol=1e-5)


def test_an_encoded_picture_is_recognised() -> None:
    y, x = np.meshgrid(positions(192), positions(256), indexing="ij")
    rgb = np.stack([x, y, (np.hypot(x - 0.5, y - 0.5) < 0.3) * 0.8], axis=-1)
    source = np.rint(rgb * 255).astype(np.uint8)
    luma, *chroma = from_rgb(source)
    latent = codec.empty(1, 6, 8)
    codec.write_luma(latent, 0, resize(luma, *codec.luma_shape(6, 8)))
    codec.write_chroma(latent, 0, np.stack([resize(plane, *codec.chroma_shape(6, 8)) for plane in chroma]))
    back = picture(Decoded(latent), 0)
    assert back.shape == source.shape
    assert np.abs(back.astype(int) - source).mean() < 8
    again = resize(from_rgb(back)[0], *codec.luma_shape(6, 8))
    assert np.abs(again - codec.read_luma(latent, 0)).mean() < 0.01, "a second generation loses next to nothing"


def test_rgb_survives_its_planes() -> None:
    source = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.abs(to_rgb(from_rgb(source)).astype(int) - source).max() <= 1


@pytest.mark.parametrize(("latent_frames", "frames"), [(1, 1), (2, 9), (16, 121), (61, 481)])
def test_first_latent_frame_is_one_picture(latent_frames: int, frames: int) -> None:
    assert codec.frames_of(latent_frames) == frames
    assert Decoded(codec.empty(latent_frames, 1, 2)).count == frames


def test_frames_can_be_read_from_anywhere_and_again() -> None:
    source = Decoded(noise(codec.CHANNELS, 4, 2, 3))
    every = [[plane.copy() for plane in planes] for planes in source.planes(0, source.count)]
    for start in (1, 4, 5, 8, 11, 24):
        for plane, wanted in zip(next(source.planes(start, start + 1)), every[start], strict=True):
            np.testing.assert_array_equal(plane, wanted)
    assert [plane.shape for plane in every[0]] == [(64, 96), (32, 48), (32, 48)]


def test_motion_between_keys_is_even() -> None:
    latent = codec.empty(2, 2, 2)
    for key in range(3):
        codec.write_luma(latent, key, np.full(codec.luma_shape(2, 2), 0.2 + 0.2 * key, np.float32))
    levels = [int(planes[0][10, 10]) for planes in Decoded(latent).planes(0, 9)]
    assert np.diff(levels).min() >= 10
    assert np.diff(levels).max() <= 12


def test_cuts_stay_lazy_and_are_right() -> None:
    source = Decoded(noise(codec.CHANNELS, 3, 3, 4))
    part = span(cut(source, y=24, height=48), 2, 5)
    assert (part.count, part.width, part.height) == (5, 128, 48)
    luma = next(part.planes(1, 2))[0].copy()
    np.testing.assert_array_equal(luma, next(source.planes(3, 4))[0][24:72])
    stills = Stills(np.zeros((3, 10, 12, 3), np.uint8))
    assert cut(stills, x=5, y=4, width=100, height=100).width == 7
    assert span(stills, 1, 2).count == 2
