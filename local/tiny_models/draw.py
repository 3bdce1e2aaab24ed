"""Layouts -> numbers -> safetensors.

A tensor depends on seed, salt and its key alone, so two files agree wherever they should.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import TensorSpec, serialize_file

from local.tiny_models.tensor import Layout, Tensor

Drawn = npt.NDArray[Any]


def draw(layout: Layout, *, seed: int, salt: str = "", prefix: str = "") -> dict[str, tuple[Tensor, Drawn]]:
    """Every tensor of a layout. `prefix`: what its keys lack of the names that they are drawn under."""
    return {key: (tensor, _bits(tensor, _normal(tensor, seed, salt, prefix + key))) for key, tensor in layout.items()}


def raw(content: bytes) -> tuple[Tensor, Drawn]:
    """Bytes as a tensor, as ComfyUI stores a tokenizer."""
    return Tensor((len(content),), 0.0, dtype="uint8"), np.frombuffer(content, np.uint8)


def save(path: Path, tensors: Mapping[str, tuple[Tensor, Drawn]], metadata: dict[str, str]) -> None:
    """One safetensors file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    specs = {
        key: TensorSpec(dtype=tensor.dtype, shape=tensor.shape, data_ptr=bits.ctypes.data, data_len=bits.nbytes)
        for key, (tensor, bits) in tensors.items()
    }
    serialize_file(specs, os.fspath(part), metadata=metadata or None)
    part.chmod(0o644)  # safetensors writes 0600; a server may run as somebody else
    part.replace(path)


def _normal(tensor: Tensor, seed: int, salt: str, key: str) -> npt.NDArray[np.float32]:
    if tensor.std == 0:
        return np.full(tensor.shape, tensor.mean, np.float32)
    digest = hashlib.sha256(f"{seed}/{salt}/{key}".encode()).digest()
    drawn = np.random.default_rng(list(digest)).standard_normal(tensor.shape, np.float32)
    return drawn * np.float32(tensor.std) + np.float32(tensor.mean)


def _bits(tensor: Tensor, values: npt.NDArray[np.float32]) -> Drawn:
    match tensor.dtype:
        case "bfloat16":
            return _bfloat16(values)
        case "float8_e4m3fn":
            return _float8(values)
        case "float32":
            return np.ascontiguousarray(values)
        case "uint8":
            raise ValueError("bytes are not drawn")


def _bfloat16(values: npt.NDArray[np.float32]) -> Drawn:
    """The upper half of a float32, rounded to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def _float8(values: npt.NDArray[np.float32]) -> Drawn:
    """The nearest e4m3fn: 4 bits of exponent with bias 7, 3 of mantissa, no infinities, at most 448."""
    codes = np.arange(0x7F)  # 0x7F itself is NaN
    exponent, mantissa = codes >> 3, (codes & 7) / 8
    known = np.where(exponent == 0, mantissa * 2.0**-6, (1 + mantissa) * 2.0 ** (exponent - 7.0))
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, np.abs(values))
    return (nearest | np.where(np.signbit(values), 0x80, 0)).astype(np.uint8)
