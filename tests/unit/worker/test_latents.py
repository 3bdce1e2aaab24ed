"""Latents narrowed to bfloat16: every value the nearest one, and the rest of the file as it was."""

import json
import math
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors import deserialize, safe_open
from safetensors.numpy import save_file

from local.comfyui_preview.numerics import tensors
from shared import latents
from shared.errors import FatalError

LARGEST = 0x7F7F0000
"""The bits of the largest finite bfloat16, as a float32."""


def narrowed(*bits: int) -> list[int]:
    return [int(value) for value in latents.bfloat16(np.array(bits, np.uint32))]


def value_of(half: int) -> Fraction:
    """The exact value of a finite bfloat16 by the definition of the format; of infinity, what comes after the last."""
    sign, exponent, mantissa = -1 if half >> 15 else 1, half >> 7 & 0xFF, half & 0x7F
    if exponent == 0:
        return sign * Fraction(mantissa, 128) * Fraction(2) ** -126
    return sign * (1 + Fraction(mantissa, 128)) * Fraction(2) ** (exponent - 127)


def exact(bits: int) -> Fraction:
    return Fraction(struct.unpack("<f", struct.pack("<I", bits))[0])


@given(st.integers(0, 2**32 - 1))
@example(0x00000001)  # the smallest subnormal
@example(0x00008000)  # a tie between 0 and the smallest bfloat16
@example(0x00018000)
@example(0x007FFFFF)  # the largest subnormal
@example(0x3F808000)  # ties
@example(0x3F818000)
@example(LARGEST | 0x7FFF)
@example(LARGEST | 0x8000)  # a tie between the largest and infinity
@example(0x7F7FFFFF)
@example(0x80000000)
def test_the_nearest_of_all_and_the_even_one_of_two(bits: int) -> None:
    (half,) = narrowed(bits)
    if bits & 0x7F800000 == 0x7F800000:
        assert half & 0x7F80 == 0x7F80
        assert (half & 0x7F != 0) == (bits & 0x7FFFFF != 0), "NaN and infinity change places"
        return
    assert half >> 15 == bits >> 31
    away = abs(value_of(half) - exact(bits))
    for other in (half - 1, half + 1):
        if other >> 15 == half >> 15 and 0 <= other <= 0xFFFF and other & 0x7FFF <= 0x7F80:
            distance = abs(value_of(other) - exact(bits))
            assert away < distance or (away == distance and half % 2 == 0)


@pytest.mark.parametrize(
    ("bits", "half"),
    [
        (0x7F800000, 0x7F80),  # infinity
        (0xFF800000, 0xFF80),
        (0x7F800001, 0x7FC0),  # NaNs whose upper half alone would be infinity, or that would overflow into the sign
        (0x7FFFFFFF, 0x7FC0),
        (0xFFFFFFFF, 0x7FC0),
        (0x3F808000, 0x3F80),
        (0x3F818000, 0x3F82),
        (0x3F808001, 0x3F81),
        (0x00008000, 0x0000),
        (0x00008001, 0x0001),
        (0x7F7FFFFF, 0x7F80),
    ],
)
def test_by_hand(bits: int, half: int) -> None:
    assert narrowed(bits) == [half]


@given(st.integers(0, 2**16 - 1))
def test_a_bfloat16_stays_what_it_is(half: int) -> None:
    if half & 0x7F80 != 0x7F80:
        assert narrowed(half << 16) == [half]


def save(path: Path, array: np.ndarray, metadata: dict[str, str] | None = None) -> Path:
    save_file({latents.LATENT: array, "latent_format_version_0": np.zeros(0, np.float32)}, path, metadata)
    return path


@pytest.mark.parametrize("size", [0, 1, 3, latents.CHUNK - 1, latents.CHUNK, 2 * latents.CHUNK + 5])
def test_a_file_is_half_as_large_and_otherwise_the_same(tmp_path: Path, size: int) -> None:
    array = np.random.default_rng(size).normal(size=(1, size)).astype(np.float32)
    path = save(tmp_path / "x.latent", array, {"prompt": json.dumps({"a": "ä"})})
    facts = latents.narrow(path, latents.LATENT)
    assert (facts.dtype, facts.shape) == ("BF16", (1, size))
    with safe_open(path, "np") as file:
        assert file.metadata() == {"prompt": json.dumps({"a": "ä"})}
        assert set(file.keys()) == {latents.LATENT, "latent_format_version_0"}
        assert file.get_slice("latent_format_version_0").get_shape() == [0]
        assert file.get_slice("latent_format_version_0").get_dtype() == "F32"
    read = tensors.read(path, latents.LATENT)
    assert read.shape == (1, size)
    assert np.array_equal(read.view(np.uint32) >> 16, latents.bfloat16(array.view(np.uint32)))
    assert path.stat().st_size <= size * 2 + 300
    assert list(tmp_path.iterdir()) == [path]
    assert latents.inspect(path, latents.LATENT) == latents.narrow(path, latents.LATENT) == facts


def test_other_tensors_and_a_file_without_metadata_are_kept(tmp_path: Path) -> None:
    path, mask = tmp_path / "x", np.arange(7, dtype=np.int64)
    save_file({latents.LATENT: np.ones((2, 3), np.float32), "a": mask, "z": mask.astype(np.uint8)}, path)
    latents.narrow(path, latents.LATENT)
    found = dict(deserialize(path.read_bytes()))
    assert np.array_equal(np.frombuffer(found["a"]["data"], np.int64), mask)
    assert np.array_equal(np.frombuffer(found["z"]["data"], np.uint8), mask)
    assert bytes(found[latents.LATENT]["data"]) == struct.pack("<H", 0x3F80) * 6
    with safe_open(path, "np") as file:
        assert not file.metadata()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3.4e38])
def test_what_is_not_finite_or_will_not_be_is_never_shipped(tmp_path: Path, bad: float) -> None:
    array = np.ones(latents.CHUNK + 3, np.float32)
    array[-1] = bad
    with pytest.raises(FatalError, match="holds 1 values that are not finite") as caught:
        latents.narrow(save(tmp_path / "x", array), latents.LATENT)
    assert caught.value.code == "bad_output"
