"""A fixed linear codec between LTX-2 video latents and pictures: it stands in for the video VAE.

One latent cell stands for 8 frames of 32x32 pixels in 128 channels (the first latent frame for one frame, as in the
causal VAE of LTX-2, facts/ltx2.md section 1.1: frames = 8(T-1)+1). Here its channels are 2 x 6 x 8 luma samples
(two keys in time, 6 rows, 8 columns) and 2 x 4 x 4 chroma samples. Samples of neighbouring cells form one even grid,
drawn by smooth interpolation in space and time: hence no block edges.
"""

import numpy as np

from local.comfyui_preview.numerics.arrays import F32, f32

CHANNELS = 128  # facts/ltx2.md section 1.3
CELL = 32  # pixels per latent cell in each direction
FRAMES_PER_LATENT = 8
LUMA_ROWS, LUMA_COLUMNS = 6, 8
CHROMA_SIDE = 4
LUMA_CHANNELS = 2 * LUMA_ROWS * LUMA_COLUMNS
LUMA_GAIN, CHROMA_GAIN = 4.0, 8.0  # bring pictures to about unit variance, as normalised latents have


def frames_of(latent_frames: int) -> int:
    return FRAMES_PER_LATENT * (latent_frames - 1) + 1


def luma_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the luma grid of a latent of `height` x `width` cells."""
    return height * LUMA_ROWS, width * LUMA_COLUMNS


def chroma_shape(height: int, width: int) -> tuple[int, int]:
    return height * CHROMA_SIDE, width * CHROMA_SIDE


def write_luma(latent: F32, key: int, picture: F32) -> None:
    """Puts luma 0..1 [6h, 8w] into a latent [128, T, h, w] as key `key`, which lies at frame 4*key."""
    _, _, height, width = latent.shape
    cells = (picture - 0.5) * LUMA_GAIN
    apart = cells.reshape(height, LUMA_ROWS, width, LUMA_COLUMNS).transpose(1, 3, 0, 2)
    channels = apart.reshape(LUMA_CHANNELS // 2, height, width)
    half = LUMA_CHANNELS // 2
    frame, second = (key + 1) // 2, key % 2 == 0
    if key == 0 or not second:
        latent[:half, frame] = channels
    if second:
        latent[half:LUMA_CHANNELS, frame] = channels


def read_luma(latent: F32, key: int) -> F32:
    """Luma 0..1 [6h, 8w] of key `key` of a latent [128, T, h, w]."""
    _, _, height, width = latent.shape
    half = LUMA_CHANNELS // 2
    if key == 0:  # the one frame of the first latent frame stands there twice
        channels = f32((latent[:half, 0] + latent[half:LUMA_CHANNELS, 0]) / 2)
    else:
        start = 0 if key % 2 else half
        channels = latent[start : start + half, (key + 1) // 2]
    cells = channels.reshape(LUMA_ROWS, LUMA_COLUMNS, height, width).transpose(2, 0, 3, 1)
    return f32(cells.reshape(luma_shape(height, width)) / LUMA_GAIN + 0.5)


def write_chroma(latent: F32, frame: int, picture: F32) -> None:
    """Puts chroma -0.5..0.5, shape [2, 4h, 4w] (Cb, Cr), into latent frame `frame`, which lies at frame 8*frame."""
    _, _, height, width = latent.shape
    cells = (picture * CHROMA_GAIN).reshape(2, height, CHROMA_SIDE, width, CHROMA_SIDE)
    latent[LUMA_CHANNELS:, frame] = cells.transpose(0, 2, 4, 1, 3).reshape(-1, height, width)


def read_chroma(latent: F32, frame: int) -> F32:
    """Chroma [2, 4h, 4w] of latent frame `frame`."""
    _, _, height, width = latent.shape
    cells = latent[LUMA_CHANNELS:, frame].reshape(2, CHROMA_SIDE, CHROMA_SIDE, height, width)
    return f32(cells.transpose(0, 3, 1, 4, 2).reshape(2, *chroma_shape(height, width)) / CHROMA_GAIN)


def luma_keys(latent_frames: int) -> int:
    return 2 * (latent_frames - 1) + 1


def empty(latent_frames: int, height: int, width: int) -> F32:
    return np.zeros((CHANNELS, latent_frames, height, width), np.float32)
