"""One file from one server: in segments, over many connections, resumed, hashed, and there only when whole."""

import errno
import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from models import places
from models.answers import Address, ChangedError, Seen
from models.part import Part, Segment
from models.progress import Progress
from models.settings import Check
from models.web import Sink, Web
from shared.errors import FatalError
from shared.models import ModelFile

log = structlog.get_logger(__name__)

ROUNDS = 3
"""Times that a file is begun anew because it changed, or came with wrong bytes."""
LOCK_SECONDS = 0.2


@contextmanager
def claimed(target: Path, web: Web) -> Iterator[None]:
    """Only one process of this machine (or of all, where the file system locks) fetches a file; the rest wait.

    It saves traffic, no more: that two fetch at once does no harm (see `part.py`). The lock ends with its holder,
    however that ends; the empty lock file stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _locked(descriptor):
            web.pause(LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}:
            return True  # a file system without locks
        raise
    return True


def expect(file: ModelFile, seen: Seen, address: Address) -> None:
    """FatalError when the server speaks of another file than ours, before a byte of it is fetched."""
    if file.bytes is not None and file.bytes != seen.size:
        raise FatalError(
            "model_missing",
            f"{address.label} has {seen.size} bytes there and {file.bytes} in shared/models.toml; "
            "it was replaced: look at it, then run `python -m models pin --again`",
            reason="wrong_size",
        )
    if file.sha256 is not None and seen.sha256 is not None and file.sha256 != seen.sha256:
        raise FatalError(
            "model_missing",
            f"{address.label} has the sha256 {seen.sha256} there and {file.sha256} in shared/models.toml; "
            "it was replaced: look at it, then run `python -m models pin --again`",
            reason="wrong_bytes",
        )


@dataclass(frozen=True)
class Work:
    """One file, from one server, as it was when it was begun."""

    file: ModelFile
    address: Address
    seen: Seen
    part: Part


class Download:
    """`segments` carries the connections of all files."""

    def __init__(self, web: Web, segments: Executor, progress: Progress) -> None:
        self._web, self._segments, self._progress = web, segments, progress

    def run(self, file: ModelFile, address: Address, target: Path) -> None:
        """FatalError for wrong bytes, a full disk, a file that one cannot have; TransientError for bad lines."""
        trouble: str | None = None
        for _ in range(ROUNDS):
            seen = self._web.look(address)
            expect(file, seen, address)
            work = Work(file, address, seen, Part(target, seen, self._web.settings.segment_bytes))
            try:
                self._fill(work)
                trouble = self._finish(work, target)
            except ChangedError as error:
                trouble = f"it changed while it was read ({error})"
            except OSError as error:
                raise disk_trouble(error, work.part.path) from error
            if trouble is None:
                return
            work.part.discard()
            log.warning("model_begun_anew", file=address.label, why=trouble)
        raise FatalError("model_missing", f"{address.label}: {trouble}, {ROUNDS} times", reason="wrong_bytes")

    def _fill(self, work: Work) -> None:
        if not work.seen.ranges:
            work.part.discard()
            self._progress.begin(work.file.name, work.seen.size, 0)
            self._stream(work)
            return
        self._progress.begin(work.file.name, work.seen.size, work.part.had)
        running = [self._segments.submit(self._segment, work, segment) for segment in work.part.missing()]
        done, waiting = wait(running, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        wait(running)  # those that had begun
        for future in done:
            future.result()

    def _segment(self, work: Work, segment: Segment) -> None:
        with work.part.opened() as descriptor:
            put = self._counted(work, work.part.sink(descriptor, segment.start))
            self._web.read(work.address, work.seen, segment.start, segment.end, put)
        work.part.done(segment)

    def _stream(self, work: Work) -> None:
        """All in one answer, for servers without ranges; each try starts at the first byte."""
        came = 0
        with work.part.opened() as descriptor:

            def begin() -> Sink:
                nonlocal came
                self._progress.moved(work.file.name, -came)
                came = 0
                put = self._counted(work, work.part.sink(descriptor, 0))

                def count(piece: bytes) -> None:
                    nonlocal came
                    put(piece)
                    came += len(piece)

                return count

            self._web.whole(work.address, work.seen, begin)

    def _counted(self, work: Work, put: Sink) -> Sink:
        def take(piece: bytes) -> None:
            put(piece)
            self._progress.moved(work.file.name, len(piece))

        return take

    def _finish(self, work: Work, target: Path) -> str | None:
        """Into its place, or what is wrong with it."""
        file, part = work.file, work.part
        part.settle()
        wanted = file.sha256 or work.seen.sha256
        trouble = places.unsound(part.path, file) or places.wrong_hash(part.path, wanted)
        if trouble is not None:
            return trouble
        try:
            part.become(target)
        except FileNotFoundError:  # somebody without locks was quicker with the same part
            if places.trouble(target, file, Check.SIZES) is not None:
                raise
        log.info("model_fetched", file=file.name, verified=wanted is not None)
        return None


def disk_trouble(error: OSError, path: Path) -> FatalError:
    """What the local disk refuses, not the network."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FatalError("model_missing", f"the disk of {path.parent} is full; free some, start again: it goes on")
    return FatalError("model_missing", f"{path} cannot be written: {error.strerror}", reason="disk")
