"""Pictures into a video latent: it stands in for the encoder of the video VAE."""

import numpy as np

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, U8, f32, resize
from local.comfyui_preview.numerics.frames import BLACK, CHROMA_SPAN, GREY, LUMA_SPAN, Frames, cut


def encode(frames: Frames, height: int, width: int, *, coarse: int = 1) -> F32:
    """The latent [128, T, height, width] of pictures of any size, stretched to 32 height x 32 width.

    As the VAE of LTX-2, it leaves off what does not fill 8(T-1)+1 pictures. Only every fourth is looked at (the codec
    keeps no more), one at a time. `coarse` 2 keeps the detail of half the size, as an IC-LoRA with a small reference.
    """
    count = (frames.count - 1) // codec.FRAMES_PER_LATENT + 1
    latent = codec.empty(count, height, width)
    luma_shape, chroma_shape = codec.luma_shape(height, width), codec.chroma_shape(height, width)
    keys = frames.planes(0, codec.frames_of(count), codec.FRAMES_PER_LATENT // 2)
    for key, (y, *chroma) in enumerate(keys):
        codec.write_luma(latent, key, _drawn(y, BLACK, LUMA_SPAN, luma_shape, coarse))
        if key % 2 == 0:
            planes = [_drawn(plane, GREY, CHROMA_SPAN, chroma_shape, coarse) for plane in chroma]
            codec.write_chroma(latent, key // 2, np.stack(planes))
    return latent


def encode_whole(frames: Frames) -> F32:
    """The latent of pictures whose size is theirs: what exceeds a multiple of 32 is cut off around the middle."""
    height, width = frames.height // codec.CELL, frames.width // codec.CELL
    y, x = (frames.height - height * codec.CELL) // 2, (frames.width - width * codec.CELL) // 2
    return encode(cut(frames, x=x, y=y, width=width * codec.CELL, height=height * codec.CELL), height, width)


def _drawn(codes: U8, zero: int, span: int, shape: tuple[int, int], coarse: int) -> F32:
    plane = f32((codes.astype(np.float32) - zero) / span)
    small = resize(plane, shape[0] // coarse, shape[1] // coarse)
    return small if coarse == 1 else resize(small, *shape)
