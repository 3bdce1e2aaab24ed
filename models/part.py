"""A file that is not whole yet: its bytes, and a journal of the segments that are there.

Both carry the mark of the content in their names, so what was begun of one content is never continued with another.
Two processes that write one part, because their file system has no working locks, write the same bytes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from models.answers import Seen

DIGITS = 8
"""Of a segment's number in the journal. A line of another length is a torn one, and its segment comes once more."""


class Segment(NamedTuple):
    """Bytes [start, end) of a file; only the last one may be shorter than the rest."""

    number: int
    start: int
    end: int


class Part:
    """Its segments are numbered from 0."""

    def __init__(self, target: Path, seen: Seen, segment_bytes: int) -> None:
        known = f"{seen.mark}/{seen.size}/{segment_bytes}" if seen.mark else uuid4().hex
        stem = f".{target.name}.{sha256(known.encode()).hexdigest()[:12]}"
        self.path = target.with_name(f"{stem}.part")
        self._journal = target.with_name(f"{stem}.done")
        self._size, self._segment = seen.size, segment_bytes
        self._lock = threading.Lock()
        self._done = self._read()

    def missing(self) -> list[Segment]:
        """Those that are still to come."""
        count = -(-self._size // self._segment)
        every = (
            Segment(number, number * self._segment, min((number + 1) * self._segment, self._size))
            for number in range(count)
        )
        return [segment for segment in every if segment.number not in self._done]

    @property
    def had(self) -> int:
        """Bytes that are there."""
        return self._size - sum(segment.end - segment.start for segment in self.missing())

    @contextmanager
    def opened(self) -> Iterator[int]:
        """For writing, and never emptied: another process may write the same bytes."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def sink(descriptor: int, start: int) -> Callable[[bytes], None]:
        """Takes bytes in order, from `start` on."""
        at = start

        def put(piece: bytes) -> None:
            nonlocal at
            left = memoryview(piece)
            while left:
                written = os.pwrite(descriptor, left, at)
                at, left = at + written, left[written:]

        return put

    def done(self, segment: Segment) -> None:
        """Note a segment; not synced, because the hash of the whole has the last word.

        A line at the end, in one write: whoever is killed here leaves no file behind, and at worst a torn line.
        """
        with self._lock:
            self._done.add(segment.number)
            descriptor = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(descriptor, f"{segment.number:0{DIGITS}d}\n".encode())
            finally:
                os.close(descriptor)

    def settle(self) -> None:
        """Cut to size and sync."""
        with self.path.open("r+b") as file:
            file.truncate(self._size)
            os.fsync(file.fileno())

    def become(self, target: Path) -> None:
        """Take the place of the target, in one step."""
        self.path.replace(target)
        self._journal.unlink(missing_ok=True)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)
        self._done = set()

    def _read(self) -> set[int]:
        """What an earlier run noted, if its bytes are there."""
        try:
            lines = self._journal.read_bytes().splitlines()
        except FileNotFoundError:
            return set()
        noted = {int(line) for line in lines if len(line) == DIGITS and line.isdigit()}
        return noted if self.path.exists() else set()
