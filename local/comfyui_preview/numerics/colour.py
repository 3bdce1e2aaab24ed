"""Colours as (Y, Cb, Cr): BT.709, Y in 0..1, Cb and Cr in -0.5..0.5."""

import colorsys

import numpy as np

from local.comfyui_preview.numerics.arrays import F32, U8, f32

# ITU-R BT.709-6, item 3.2 and 3.3
_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
_CB, _CR = 1.8556, 1.5748

Colour = tuple[float, float, float]


def from_hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    return luma, (blue - luma) / _CB, (red - luma) / _CR


def from_rgb(picture: U8) -> F32:
    """Planes [3, H, W] of a picture [H, W, 3]."""
    red, green, blue = np.moveaxis(picture.astype(np.float32) / 255, -1, 0)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    return f32(np.stack([luma, (blue - luma) / _CB, (red - luma) / _CR]))


def to_rgb(planes: F32) -> U8:
    """The picture [H, W, 3] of planes [3, H, W]."""
    luma, cb, cr = planes
    red = luma + _CR * cr
    blue = luma + _CB * cb
    green = (luma - _RED * red - _BLUE * blue) / _GREEN
    picture = np.stack([red, green, blue], axis=-1)
    codes: U8 = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return codes
