"""A video latent seen as pictures: drawn only while they are read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, I16, U8, f32, upsampling
from local.comfyui_preview.numerics.frames import BLACK, CHROMA_SPAN, GREY, LUMA_SPAN, Planes, rgb_of


@dataclass(frozen=True, eq=False)
class Decoded:
    """A video latent [128, T, h, w] seen as 8(T-1)+1 pictures of 32h x 32w, drawn only while they are read."""

    latent: F32

    @property
    def count(self) -> int:
        return codec.frames_of(self.latent.shape[1])

    @property
    def width(self) -> int:
        return int(self.latent.shape[3]) * codec.CELL

    @property
    def height(self) -> int:
        return int(self.latent.shape[2]) * codec.CELL

    def _luma(self, key: int) -> I16:
        small = codec.read_luma(self.latent, min(key, codec.luma_keys(self.latent.shape[1]) - 1))
        return _codes(small, (self.height, self.width), BLACK, LUMA_SPAN)

    def _chroma(self, frame: int) -> I16:
        small = codec.read_chroma(self.latent, min(frame, self.latent.shape[1] - 1))
        shape = (self.height // 2, self.width // 2)
        return np.stack([_codes(plane, shape, GREY, CHROMA_SPAN) for plane in small])

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        luma = _Between(self._luma, codec.FRAMES_PER_LATENT // 2, start)
        chroma = _Between(self._chroma, codec.FRAMES_PER_LATENT, start)
        for index in range(start, stop):
            y, (cb, cr) = luma.next(), chroma.next()
            if (index - start) % step == 0:
                yield y, cb, cr

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        return rgb_of(self.planes(start, stop, step))


def _codes(small: F32, shape: tuple[int, int], zero: int, span: int) -> I16:
    """A plane as 8-bit code values of the wanted size, kept as int16 for cheap blending."""
    vertical = upsampling(small.shape[0], shape[0])
    horizontal = upsampling(small.shape[1], shape[1])
    scaled = small * np.float32(span) + np.float32(zero)
    large = f32(vertical @ scaled @ horizontal.T)
    np.rint(large, out=large)
    np.clip(large, 0, 255, out=large)
    return large.astype(np.int16)


class _Between:
    """Runs through frames that lie between keys `step` frames apart, by adding the same small difference again."""

    def __init__(self, key: Callable[[int], I16], step: int, start: int) -> None:
        self._key, self._step, self._shift = key, step, step.bit_length() - 1
        self._index, self._phase = divmod(start, step)
        self._after = key(self._index)
        self._advance()
        self._sum += self._change * np.int16(self._phase)

    def _advance(self) -> None:
        before, self._after = self._after, self._key(self._index + 1)
        self._change: I16 = self._after - before
        self._sum: I16 = before * np.int16(self._step) + np.int16(self._step // 2)

    def next(self) -> U8:
        if self._phase == self._step:
            self._phase = 0
            self._index += 1
            self._advance()
        codes = (self._sum >> self._shift).astype(np.uint8)
        self._sum += self._change
        self._phase += 1
        return codes
