"""Pictures as they flow from node to node: lazily, so that no whole clip is ever in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local.comfyui_preview.numerics.arrays import F32, U8, f32
from local.comfyui_preview.numerics.colour import from_rgb, to_rgb

# Limited-range 8-bit code values, ITU-R BT.709-6 item 4.
BLACK, LUMA_SPAN, GREY, CHROMA_SPAN = 16, 219, 128, 224

Planes = tuple[U8, U8, U8]  # Y [H, W], Cb and Cr [ceil(H/2), ceil(W/2)]: yuv420p, BT.709, limited range


class Frames(Protocol):
    """An IMAGE: a number of pictures of one size. It can be read again and again (outputs of nodes are cached).

    Both ways of reading give every `step`-th of the pictures start..stop; an array is valid until the next one is
    asked for.
    """

    @property
    def count(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        """As yuv420p."""
        ...

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        """As RGB, shape [H, W, 3]."""
        ...


def picture(frames: Frames, index: int) -> U8:
    """One picture as RGB, shape [H, W, 3]."""
    return next(frames.pictures(index, index + 1))


def rgb_of(planes: Iterator[Planes]) -> Iterator[U8]:
    for codes in planes:
        luma, *chroma = (plane.astype(np.float32) for plane in codes)
        rows, columns = luma.shape
        large = [np.repeat(np.repeat(c, 2, 0), 2, 1)[:rows, :columns] for c in chroma]
        yield to_rgb(f32(np.stack([(luma - BLACK) / LUMA_SPAN, *((c - GREY) / CHROMA_SPAN for c in large)])))


def planes_of(pictures: Iterator[U8]) -> Iterator[Planes]:
    for one in pictures:
        luma, *chroma = from_rgb(one)
        y = np.rint(BLACK + LUMA_SPAN * luma).astype(np.uint8)
        small = [np.rint(GREY + CHROMA_SPAN * _halve(plane)).astype(np.uint8) for plane in chroma]
        yield y, small[0], small[1]


def _halve(plane: F32) -> F32:
    rows, columns = plane.shape
    even = np.pad(plane, ((0, rows % 2), (0, columns % 2)), mode="edge")
    return f32((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


@dataclass(frozen=True, eq=False)
class Stills:
    """Pictures that are in memory, such as an input image. RGB, shape [N, H, W, 3]."""

    stack: U8

    @property
    def count(self) -> int:
        return int(self.stack.shape[0])

    @property
    def width(self) -> int:
        return int(self.stack.shape[2])

    @property
    def height(self) -> int:
        return int(self.stack.shape[1])

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        yield from self.stack[start:stop:step]

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        return planes_of(self.pictures(start, stop, step))


@dataclass(frozen=True, eq=False)
class Changed:
    """Other frames with the same change made to each of them while they are read."""

    source: Frames
    change: Callable[[U8], U8]  # RGB [H, W, 3] -> RGB [height, width, 3]
    width: int
    height: int

    @property
    def count(self) -> int:
        return self.source.count

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        return map(self.change, self.source.pictures(start, stop, step))

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        return planes_of(self.pictures(start, stop, step))


def changed(source: Frames, change: Callable[[U8], U8]) -> Frames:
    """A change that keeps the size."""
    return Changed(source, change, source.width, source.height)


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

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        rows, columns = slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)
        for one in self.source.pictures(self.first + start, self.first + stop, step):
            yield one[rows, columns]

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        right, bottom = self.x + self.width, self.y + self.height
        rows = slice(self.y // 2, self.y // 2 + (self.height + 1) // 2)
        columns = slice(self.x // 2, self.x // 2 + (self.width + 1) // 2)
        for luma, cb, cr in self.source.planes(self.first + start, self.first + stop, step):
            yield luma[self.y : bottom, self.x : right], cb[rows, columns], cr[rows, columns]


def cut(source: Frames, *, x: int = 0, y: int = 0, width: int | None = None, height: int | None = None) -> Frames:
    """The rectangle at (x, y); what lies outside of the pictures is left off."""
    x, y = min(x, source.width - 1), min(y, source.height - 1)
    width = min(width or source.width, source.width - x)
    height = min(height or source.height, source.height - y)
    return Cut(source, x, y, width, height, 0, source.count)


def span(source: Frames, first: int, count: int) -> Frames:
    """`count` pictures from `first` on."""
    return Cut(source, 0, 0, source.width, source.height, first, count)
