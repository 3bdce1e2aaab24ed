"""Frames that stream out of a tiled decode are those of the whole clip put together at once, bit for bit."""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.comfy_nodes.mivo.stream import frames
from workers.comfy_nodes.mivo.tiles import F32, Grid, Plan, Sizes, Span, plan

TIME, SPACE = Grid(8, 7), Grid(4, 0)  # LTX-2's in time; cells of 4 pixels instead of 32, to be quick


@dataclass
class Host:
    """numpy's memory, which counts the values that are neither final nor forgotten."""

    opened: int = 0
    most: int = 0

    def zeros(self, *shape: int) -> F32:
        self.opened += prod(shape)
        self.most = max(self.most, self.opened)
        return np.zeros(shape, np.float32)

    def finish(self, rows: F32) -> F32:
        self.opened -= rows.size
        kept = rows.copy()
        rows[:] = np.nan  # whoever gets it may do that
        return kept

    def own(self, weights: F32) -> F32:
        return weights

    def fetch(self, part: F32) -> F32:
        return part


def tile_of(time: Span, rows: Span, columns: Span) -> F32:
    """What a decoder might make of this tile and no other: neighbours never agree."""
    seed = (time.first, time.latents, rows.first, rows.latents, columns.first, columns.latents)
    random = np.random.default_rng(seed)
    return random.standard_normal((3, time.length, rows.length, columns.length), np.float32)


def whole(shape: tuple[int, int, int], sizes: Sizes) -> F32:
    """The same tiles put together as one array, in the way that ComfyUI's node describes: an independent account."""
    tile, overlap = (sizes.time, sizes.space, sizes.space), (sizes.time_overlap, *2 * (sizes.space_overlap,))
    length = [8 * shape[0] - 7, 4 * shape[1], 4 * shape[2]]
    grown = [TIME.decoded, SPACE.decoded, SPACE.decoded]
    total, weight = np.zeros((3, *length), np.float32), np.zeros(length, np.float32)
    at = [range(0, n - o, t - o) if n > t else range(1) for n, t, o in zip(shape, tile, overlap, strict=True)]
    for first in product(*at):
        count = [min(t, n - f) for t, n, f in zip(tile, shape, first, strict=True)]
        spans = [
            Span(f, c, step * f, *2 * (np.zeros(grow(c), np.float32),))
            for f, c, grow, step in zip(first, count, grown, (8, 4, 4), strict=True)
        ]
        made = tile_of(*spans)
        mask = np.ones(made.shape[1:], np.float32)
        if any(n > t for n, t in zip(shape, tile, strict=True)):
            for axis in range(3):
                feather = grown[axis](overlap[axis]) if overlap[axis] else 0
                for index in range(feather if feather < mask.shape[axis] else 0):
                    for end in (index, mask.shape[axis] - 1 - index):
                        np.moveaxis(mask, axis, 0)[end] *= np.float32((index + 1) / feather)
        part = tuple(slice(span.start, span.start + span.length) for span in spans)
        total[(slice(None), *part)] += made * mask
        weight[part] += mask
    return total / weight


def streamed(shape: tuple[int, int, int], sizes: Sizes, host: Host) -> tuple[Plan, list[F32]]:
    planned = plan(shape, sizes, time=TIME, space=SPACE)
    return planned, [np.concatenate(parts, 1) for parts in frames(planned, tile_of, host, host.finish)]


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, int, int], Sizes]:
    time = draw(st.integers(2, 6))
    space = draw(st.integers(2, 5))
    sizes = Sizes(time, draw(st.integers(1, time // 2)), space, draw(st.integers(0, space // 2)))
    return (draw(st.integers(1, 14)), draw(st.integers(1, 8)), draw(st.integers(1, 8))), sizes


@settings(max_examples=60, deadline=None, database=None)
@given(case=cases())
def test_any_clip_in_any_tiles_is_the_whole_one(case: tuple[tuple[int, int, int], Sizes]) -> None:
    shape, sizes = case
    host = Host()
    planned, found = streamed(shape, sizes, host)
    assert np.array_equal(np.stack(found, axis=1), whole(shape, sizes))
    assert host.opened == 0
    assert host.most <= 3 * (8 * sizes.time - 7) * planned.height * planned.width, "one tile of time at the most"


@pytest.mark.parametrize("latents", [8, 16, 31, 61, 121])
def test_open_frames_do_not_grow_with_the_clip(latents: int) -> None:
    """The recipe's tiles, on the longest clip's rows. 57 frames are a tile of time: 17 of them are kept for the next
    one, and of the other 40 only as many rows as a row of tiles has."""
    sizes = Sizes.asked(tile_size=512, overlap=64, temporal_size=64, temporal_overlap=24, time=TIME, space=Grid(32, 0))
    assert sizes == Sizes(8, 3, 16, 2)
    host = Host()
    planned, found = streamed((latents, 34, 1), sizes, host)
    assert len(found) == planned.frames == 8 * latents - 7
    tile, whole_frame = 3 * 4 * 4 * 16, 3 * 4 * 4 * 34
    assert host.most <= 17 * whole_frame + 40 * tile


def test_frames_come_while_others_are_still_to_be_decoded() -> None:
    asked: list[int] = []

    def decode(time: Span, rows: Span, columns: Span) -> Any:
        asked.append(time.first)
        return tile_of(time, rows, columns)

    planned = plan((21, 2, 2), Sizes(8, 3, 16, 2), time=TIME, space=SPACE)
    coming = frames(planned, decode, Host(), lambda rows: rows)
    for _ in range(40):
        next(coming)
    assert asked == [0]
    next(coming)
    assert asked == [0, 5]


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        ((512, 64, 64, 24), (8, 3, 16, 2)),
        ((512, 64, 4096, 8), (512, 1, 16, 2)),
        ((64, 64, 8, 8), (2, 1, 2, 0)),  # overlaps that are too large are cut, tiles that are too short made longer
        ((128, 32, 64, 64), (8, 4, 4, 1)),
    ],
)
def test_sizes_are_read_as_the_core_node_reads_them(asked: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    names = ("tile_size", "overlap", "temporal_size", "temporal_overlap")
    given = dict(zip(names, asked, strict=True))
    assert Sizes.asked(**given, time=TIME, space=Grid(32, 0)) == Sizes(*sizes)
