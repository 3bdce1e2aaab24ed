"""Rows of a tiled decode as soon as no later tile changes them. Works on torch's tensors and on numpy's arrays.

In memory at once: one tile as it was decoded, frames that overlap the next tile of time, the rows that a row of tiles
is working on, and finished rows in the form that the caller gives them. Nothing grows with the clip.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from .tiles import F32, Plan, Span, mask

Array = Any
"""A float32 tensor of torch, or an array of numpy: both are sliced, added and multiplied in the same words."""

Decode = Callable[[Span, Span, Span], Array]
"""(time, rows, columns) -> that tile, [channels, frames, rows, columns]."""

Rows = TypeVar("Rows")


class Memory(Protocol):
    """Where rows are put together."""

    def zeros(self, *shape: int) -> Array: ...

    def own(self, weights: F32) -> Array:
        """An array of numpy as one of this memory's."""
        ...

    def fetch(self, part: Array) -> Array:
        """Rows of one frame of a decoded tile in this memory: tiles may lie on a GPU."""
        ...


def frames(plan: Plan, decode: Decode, memory: Memory, finish: Callable[[Array], Rows]) -> Iterator[list[Rows]]:
    """Every frame once and in order: its rows, from top to bottom, in a few parts.

    `finish` is given each part, [channels, rows, width], when it is final, and may change it.
    """
    opened: dict[tuple[int, int], Array] = {}
    finished: dict[int, list[Rows]] = defaultdict(list)
    for time, done in plan.moments():
        for rows, settled in plan.levels():
            for columns in plan.columns:
                _add(opened, decode(time, rows, columns), (time, rows, columns), plan, memory)
            for start, stop in plan.bands(rows.start, settled):
                divisor = _Divisor(plan, memory, start, stop)
                for frame in range(time.start, done):
                    part = opened.pop((frame, start))
                    part /= divisor.at(frame)
                    finished[frame].append(finish(part))
        for frame in range(time.start, done):
            yield finished.pop(frame)


def _add(
    opened: dict[tuple[int, int], Array], tile: Array, at: tuple[Span, Span, Span], plan: Plan, memory: Memory
) -> None:
    """What a tile counts, frame by frame and band by band: nothing of the tile's own size is made beside it."""
    time, rows, columns = at
    weight: Any = None
    weights: Array = None
    for index in range(time.length):
        if time.weight(index) != weight:  # most frames of a tile count the same
            weight = time.weight(index)
            weights = memory.own(mask(weight, rows, columns))
        for start, stop in plan.bands(rows.start, rows.stop):
            key = (time.start + index, start)
            if key not in opened:
                opened[key] = memory.zeros(tile.shape[0], stop - start, plan.width)
            own = slice(start - rows.start, stop - rows.start)
            part = opened[key][:, :, columns.start : columns.stop]
            part += memory.fetch(tile[:, index, own]) * weights[own]


class _Divisor:
    """Of some rows, by frame; the last one is kept, as most frames are in the middle of a tile and need the same."""

    def __init__(self, plan: Plan, memory: Memory, start: int, stop: int) -> None:
        self._plan, self._memory, self._rows = plan, memory, (start, stop)
        self._weights: tuple[Any, ...] | None = None
        self._own: Array = None

    def at(self, frame: int) -> Array:
        weights = self._plan.weights_at(frame)
        if weights != self._weights:
            self._weights = weights
            self._own = self._memory.own(self._plan.divisor(weights, *self._rows))
        return self._own
