"""Which tiles a latent is decoded in, and how much each of them counts where they overlap. Pure.

The same tiles and the same weights as ComfyUI's VAEDecodeTiled, bit for bit (ComfyUI 0.25, `tiled_scale_multidim` and
`VAE.decode_tiled_3d`): a tile's weight rises over the overlap at both of its ends, in steps of 1/feather, in every
direction, also at the edges of the picture; weights are products of float32 taken time first, then rows, then columns,
nearer end first; and all is divided by the sum of the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """How many values one direction of a latent becomes: `step * latents - lead`. In time the first makes one frame."""

    step: int
    lead: int

    def decoded(self, latents: int) -> int:
        return max(0, self.step * latents - self.lead)


@dataclass(frozen=True, eq=False)
class Span:
    """One tile along one direction."""

    first: int
    """Of its latents."""
    latents: int
    start: int
    """Of what they become: frames, rows or columns."""
    near: F32
    """Weight by the distance from the nearer end, and `far` by that from the other."""
    far: F32

    @property
    def length(self) -> int:
        return len(self.near)

    @property
    def stop(self) -> int:
        return self.start + self.length

    def weight(self, index: int) -> np.float32:
        """Of one of its frames, rows or columns."""
        return np.float32(self.near[index] * self.far[index])


@dataclass(frozen=True)
class Sizes:
    """Latents of a tile and of its overlap with the next, in time and in both directions of the picture."""

    time: int
    time_overlap: int
    space: int
    space_overlap: int

    @classmethod
    def asked(
        cls, *, tile_size: int, overlap: int, temporal_size: int, temporal_overlap: int, time: Grid, space: Grid
    ) -> Self:
        """From pixels and frames, as VAEDecodeTiled reads them: overlaps that are too large for a tile are cut."""
        overlap = tile_size // 4 if tile_size < overlap * 4 else overlap
        temporal_overlap = temporal_overlap // 2 if temporal_size < temporal_overlap * 2 else temporal_overlap
        latents = max(2, temporal_size // time.step)
        return cls(
            time=latents,
            time_overlap=max(1, min(latents // 2, temporal_overlap // time.step)),
            space=tile_size // space.step,
            space_overlap=overlap // space.step,
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """All tiles of one latent. They are decoded time by time, row by row, column by column."""

    time: tuple[Span, ...]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def tiles(self) -> int:
        return len(self.time) * len(self.rows) * len(self.columns)

    @property
    def frames(self) -> int:
        return self.time[-1].stop

    @property
    def height(self) -> int:
        return self.rows[-1].stop

    @property
    def width(self) -> int:
        return self.columns[-1].stop

    def moments(self) -> Iterator[tuple[Span, int]]:
        """Each tile of time; frames before the number are touched by no later one."""
        yield from zip(self.time, _settled(self.time), strict=True)

    def levels(self) -> Iterator[tuple[Span, int]]:
        """Each row of tiles; rows of the picture before the number are touched by no later one."""
        yield from zip(self.rows, _settled(self.rows), strict=True)

    def bands(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The rows from `start` to `stop`, both ends of a tile, in parts that a row of tiles has wholly or not."""
        ends = sorted({end for span in self.rows for end in (span.start, span.stop) if start <= end <= stop})
        return list(pairwise(ends))

    def weights_at(self, frame: int) -> tuple[np.float32, ...]:
        """What a frame counts in each tile of time that has it."""
        return tuple(span.weight(frame - span.start) for span in self.time if span.start <= frame < span.stop)

    def divisor(self, weights: tuple[np.float32, ...], start: int, stop: int) -> F32:
        """[rows, width] of a band: the sum of all weights where the frame has these in time."""
        total = np.zeros((stop - start, self.width), np.float32)
        having = [rows for rows in self.rows if rows.start <= start and stop <= rows.stop]
        for weight in weights:
            for rows in having:
                for columns in self.columns:
                    own = mask(weight, rows, columns)[start - rows.start : stop - rows.start]
                    total[:, columns.start : columns.stop] += own
        return total


def plan(latent: tuple[int, int, int], sizes: Sizes, *, time: Grid, space: Grid) -> Plan:
    """For a latent of (frames, rows, columns). One that fits into a single tile is not weighted at all."""
    frames, rows, columns = latent
    single = frames <= sizes.time and max(rows, columns) <= sizes.space
    in_space = (sizes.space, sizes.space_overlap, space)
    return Plan(
        time=_spans(frames, sizes.time, sizes.time_overlap, time, single=single),
        rows=_spans(rows, *in_space, single=single),
        columns=_spans(columns, *in_space, single=single),
    )


def mask(weight: np.float32, rows: Span, columns: Span) -> F32:
    """[rows, columns]: what each value of one frame of a tile counts, the frame itself counting `weight`."""
    column = weight * rows.near * rows.far
    found: F32 = column[:, np.newaxis] * columns.near
    found *= columns.far
    return found


def _settled(spans: tuple[Span, ...]) -> Iterator[int]:
    yield from (after.start for _, after in pairwise(spans))
    yield spans[-1].stop


def _spans(latents: int, tile: int, overlap: int, grid: Grid, *, single: bool) -> tuple[Span, ...]:
    firsts = range(0, latents - overlap, tile - overlap) if latents > tile else range(1)
    feather = 0 if single else grid.decoded(overlap)
    found = []
    for first in firsts:
        count = min(tile, latents - first)
        near, far = _feathered(grid.decoded(count), feather)
        found.append(Span(first, count, grid.step * first, near, far))
    return tuple(found)


def _feathered(length: int, feather: int) -> tuple[F32, F32]:
    """A tile no longer than the feather is not feathered."""
    if feather >= length:
        feather = 0
    index = np.arange(length)
    ends = np.sort(np.stack([index, length - 1 - index]), axis=0)
    weights = np.where(ends < feather, (ends + 1) / max(feather, 1), 1.0).astype(np.float32)
    return weights[0], weights[1]
