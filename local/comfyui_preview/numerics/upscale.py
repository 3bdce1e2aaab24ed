"""The two latent upscalers of the preview: x2 in space, x2 in time. Shapes as in facts/ltx2.md section 1.3."""

import numpy as np

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, f32, resize


def spatial(latent: F32) -> F32:
    """[128, T, h, w] -> [128, T, 2h, 2w], smooth; the detail comes from the refine."""
    _, frames, height, width = latent.shape
    double = codec.empty(frames, 2 * height, 2 * width)
    for key in range(codec.luma_keys(frames)):
        picture = resize(codec.read_luma(latent, key), *codec.luma_shape(2 * height, 2 * width))
        codec.write_luma(double, key, picture)
    rows, columns = codec.chroma_shape(2 * height, 2 * width)
    for frame in range(frames):
        planes = [resize(plane, rows, columns) for plane in codec.read_chroma(latent, frame)]
        codec.write_chroma(double, frame, np.stack(planes))
    return double


def temporal(latent: F32) -> F32:
    """[128, T, h, w] -> [128, 2T-1, h, w]: between two moments stands their mean, so F frames become 2F-1."""
    _, frames, height, width = latent.shape
    longer = codec.empty(2 * frames - 1, height, width)
    before = codec.read_luma(latent, 0)
    codec.write_luma(longer, 0, before)
    for key in range(1, codec.luma_keys(frames)):
        after = codec.read_luma(latent, key)
        codec.write_luma(longer, 2 * key - 1, f32((before + after) / 2))
        codec.write_luma(longer, 2 * key, after)
        before = after
    chroma = latent[codec.LUMA_CHANNELS :]
    longer[codec.LUMA_CHANNELS :, ::2] = chroma
    longer[codec.LUMA_CHANNELS :, 1::2] = (chroma[:, :-1] + chroma[:, 1:]) / 2
    return longer
