"""Canny's edges as kornia finds them for ComfyUI's Canny node (facts/comfyui.md section 6)."""

import numpy as np
import numpy.typing as npt

from local.comfyui_preview.numerics.arrays import F32, U8, f32

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601-7 item 2.5.1, what kornia's rgb_to_grayscale weighs with
_BELL = np.exp(-(np.arange(-2, 3, dtype=np.float32) ** 2) / 2)  # 5 taps, sigma 1
_ALONG = ((0, 1), (1, 1), (1, 0), (1, -1))  # (down, right) steps along a gradient of 0, 45, 90 and 135 degrees


def canny(picture: U8, low: float, high: float) -> U8:
    """White one-pixel edges on black, RGB [H, W, 3].

    An edge is where the gradient of the blurred picture (Sobel, not normalised: a sharp step of full luma gives more
    than 2) exceeds `high`, or exceeds `low` and touches such a place through others of the kind.
    """
    down, right = _gradient(_blur(f32(picture.astype(np.float32) @ np.array(_GREY, np.float32) / 255)))
    thin = _thinned(np.hypot(down, right), down, right)
    edges = _connected(thin > low, thin > high)
    return np.repeat((edges * np.uint8(255))[:, :, None], 3, axis=2)


def _blur(grey: F32) -> F32:
    bell = _BELL / _BELL.sum()
    wide = np.pad(grey, 2, mode="edge")
    rows, columns = grey.shape
    tall = sum(bell[i] * wide[i : i + rows] for i in range(5))
    return f32(sum(bell[i] * tall[:, i : i + columns] for i in range(5)))


def _gradient(grey: F32) -> tuple[F32, F32]:
    wide = np.pad(grey, 1, mode="edge")
    flat = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    steep = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    return f32(flat[2:] - flat[:-2]), f32(steep[:, 2:] - steep[:, :-2])


def _thinned(strength: F32, down: F32, right: F32) -> F32:
    """Keeps what is strongest along its own gradient; of two equal neighbours the first."""
    sector = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(np.int8) % 4
    wide = np.pad(strength, 1)
    rows, columns = strength.shape
    keep = np.zeros(strength.shape, np.bool_)
    for index, (dy, dx) in enumerate(_ALONG):
        before = wide[1 - dy : 1 - dy + rows, 1 - dx : 1 - dx + columns]
        after = wide[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
        keep |= (sector == index) & (strength > before) & (strength >= after)
    return np.where(keep, strength, np.float32(0))


def _connected(weak: npt.NDArray[np.bool_], strong: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The strong places, and the weak ones that touch them, directly or through other weak ones."""
    stride = weak.shape[1] + 2
    allowed, found = np.pad(weak, 1).ravel(), np.pad(strong, 1).ravel()
    around = np.array([-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1])
    fresh = np.flatnonzero(found)
    while fresh.size:  # ends: every round finds places that were not found before
        near = (fresh[:, None] + around).ravel()
        fresh = np.unique(near[allowed[near] & ~found[near]])
        found[fresh] = True
    return found.reshape(-1, stride)[1:-1, 1:-1]
