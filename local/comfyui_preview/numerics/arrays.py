"""The few array types of the preview engine, and the one interpolation that everything shares."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

F32: TypeAlias = npt.NDArray[np.float32]
U8: TypeAlias = npt.NDArray[np.uint8]
I16: TypeAlias = npt.NDArray[np.int16]
F64: TypeAlias = npt.NDArray[np.float64]


def f32(values: npt.ArrayLike) -> F32:
    """Float32, without a copy where it is that already."""
    return np.asarray(values, np.float32)


def positions(count: int) -> F64:
    """The centres of `count` equal cells that cover 0..1, shape [count]."""
    return (np.arange(count) + 0.5) / count


def interpolation(places: F64, count: int) -> F32:
    """Catmull-Rom weights, shape [len(places), count]: row i reads a grid of `count` cells over 0..1 at places[i].

    Beyond its ends the grid is mirrored, so a camera may look past the edge of a picture. Each row sums to 1.
    """
    at = places * count - 0.5
    left = np.floor(at).astype(np.int64)
    f = at - left
    taps = (
        0.5 * (-f + 2 * f**2 - f**3),
        0.5 * (2 - 5 * f**2 + 3 * f**3),
        0.5 * (f + 4 * f**2 - 3 * f**3),
        0.5 * (-(f**2) + f**3),
    )
    weights = np.zeros((len(places), count), np.float32)
    rows = np.arange(len(places))
    for shift, tap in enumerate(taps):
        folded = (left + shift - 1) % (2 * count)  # the period of a mirrored grid
        column = np.where(folded < count, folded, 2 * count - 1 - folded)
        np.add.at(weights, (rows, column), tap.astype(np.float32))
    return weights


@lru_cache(maxsize=64)
def upsampling(coarse: int, fine: int) -> F32:
    """Weights, shape [fine, coarse], that draw `fine` cells from `coarse` ones smoothly (no block edges)."""
    weights = interpolation(positions(fine), coarse)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=64)
def downsampling(fine: int, coarse: int) -> F32:
    """Weights, shape [coarse, fine]: the least-squares inverse of `upsampling`, so down(up(x)) == x."""
    up = upsampling(coarse, fine).astype(np.float64)
    weights = f32(np.linalg.solve(up.T @ up, up.T))
    weights.setflags(write=False)
    return weights


def resize(picture: F32, rows: int, columns: int) -> F32:
    """A picture [H, W] on another grid [rows, columns], smoothly up or by least squares down."""
    tall, wide = picture.shape
    vertical = upsampling(tall, rows) if rows >= tall else downsampling(tall, rows)
    horizontal = upsampling(wide, columns) if columns >= wide else downsampling(wide, columns)
    return f32(vertical @ picture @ horizontal.T)
