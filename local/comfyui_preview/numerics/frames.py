"""Pictures as they flow from decode to the video file: lazily, so that no whole clip is ever in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, I16, U8, f32, upsampling
from local.comfyui_preview.numerics.colour import from_rgb, to_rgb

# Limited-range 8-bit code values, ITU-R BT.709-6 item 4.
_BLACK, _LUMA_SPAN, _GREY, _CHROMA_SPAN = 16, 219, 128, 224

Planes = tuple[U8, U8, U8]  # Y [H, W], Cb and Cr [ceil(H/2), ceil(W/2)]: yuv420p, BT.709, limited range


class Frames(Protocol):
    """An IMAGE: a number of pictures of one size. It can be read again and again (outputs of nodes are cached)."""

    @property
    def count(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def planes(self, start: int, stop: int) -> Iterator[Planes]:
        """The pictures start..stop as yuv420p; the arrays are valid until the next one is asked for."""
        ...


def picture(frames: Frames, index: int) -> U8:
    """One picture as RGB, shape [H, W, 3]."""
    if isinstance(frames, Stills):
        still: U8 = frames.pictures[index]
        return still
    luma, cb, cr = (plane.astype(np.float32) for plane in next(frames.planes(index, index + 1)))
    chroma = [np.repeat(np.repeat(c, 2, 0), 2, 1)[: luma.shape[0], : luma.shape[1]] for c in (cb, cr)]
    planes = [(luma - _BLACK) / _LUMA_SPAN, *((c - _GREY) / _CHROMA_SPAN for c in chroma)]
    return to_rgb(f32(np.stack(planes)))


@dataclass(frozen=True, eq=False)
class Stills:
    """Pictures that are in memory: an input image and what is made of it. RGB, shape [N, H, W, 3]."""

    pictures: U8

    @property
    def count(self) -> int:
        return int(self.pictures.shape[0])

    @property
    def width(self) -> int:
        return int(self.pictures.shape[2])

    @property
    def height(self) -> int:
        return int(self.pictures.shape[1])

    def planes(self, start: int, stop: int) -> Iterator[Planes]:
        for index in range(start, stop):
            luma, *chroma = from_rgb(self.pictures[index])
            y = np.rint(_BLACK + _LUMA_SPAN * luma).astype(np.uint8)
            small = [np.rint(_GREY + _CHROMA_SPAN * _halve(plane)).astype(np.uint8) for plane in chroma]
            yield y, small[0], small[1]


def _halve(plane: F32) -> F32:
    rows, columns = plane.shape
    even = np.pad(plane, ((0, rows % 2), (0, columns % 2)), mode="edge")
    return f32((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


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
        return _codes(small, (self.height, self.width), _BLACK, _LUMA_SPAN)

    def _chroma(self, frame: int) -> I16:
        small = codec.read_chroma(self.latent, min(frame, self.latent.shape[1] - 1))
        shape = (self.height // 2, self.width // 2)
        return np.stack([_codes(plane, shape, _GREY, _CHROMA_SPAN) for plane in small])

    def planes(self, start: int, stop: int) -> Iterator[Planes]:
        luma = _Between(self._luma, codec.FRAMES_PER_LATENT // 2, start)
        chroma = _Between(self._chroma, codec.FRAMES_PER_LATENT, start)
        for _ in range(start, stop):
            cb, cr = chroma.next()
            yield luma.next(), cb, cr


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


@dataclass(frozen=True, eq=False)
class Cut:
    """A part of other frames: a rectangle and a span of time."""

    source: Frames
    x: int
    y: int
    width: int
    height: int
    first: int
    count: int

    def planes(self, start: int, stop: int) -> Iterator[Planes]:
        right, bottom = self.x + self.width, self.y + self.height
        rows = slice(self.y // 2, self.y // 2 + (self.height + 1) // 2)
        columns = slice(self.x // 2, self.x // 2 + (self.width + 1) // 2)
        for luma, cb, cr in self.source.planes(self.first + start, self.first + stop):
            yield luma[self.y : bottom, self.x : right], cb[rows, columns], cr[rows, columns]


def cut(source: Frames, *, x: int = 0, y: int = 0, width: int | None = None, height: int | None = None) -> Frames:
    """The rectangle at (x, y); what lies outside of the pictures is left off."""
    x, y = min(x, source.width - 1), min(y, source.height - 1)
    width = min(width or source.width, source.width - x)
    height = min(height or source.height, source.height - y)
    if isinstance(source, Stills):
        return Stills(source.pictures[:, y : y + height, x : x + width])
    return Cut(source, x, y, width, height, 0, source.count)


def span(source: Frames, first: int, count: int) -> Frames:
    """`count` pictures from `first` on."""
    if isinstance(source, Stills):
        return Stills(source.pictures[first : first + count])
    return Cut(source, 0, 0, source.width, source.height, first, count)
