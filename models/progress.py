"""How far the fetching is: bars on a terminal, a line now and then in a log."""

import threading
import time
from types import TracebackType
from typing import Protocol, Self

import structlog
from rich import progress as bars

log = structlog.get_logger(__name__)

QUIET_SECONDS = 15.0


class Progress(Protocol):
    """Called from many threads."""

    def begin(self, name: str, size: int, done: int) -> None: ...

    def moved(self, name: str, size: int) -> None:
        """`size` bytes more; less than 0 when they were given up again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """For logs: one line every quarter of a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._size = self._done = 0
        self._said = self._began = time.monotonic()

    def begin(self, name: str, size: int, done: int) -> None:
        with self._lock:
            self._size += size
            self._done += done
        log.info("model_begun", file=name, bytes=size, had=done)

    def moved(self, name: str, size: int) -> None:
        del name
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now - self._said < QUIET_SECONDS:
                return
            self._said = now
            done, whole = self._done, self._size
        log.info("models_coming", bytes=done, of=whole, seconds=round(now - self._began, 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Bars:
    """For people."""

    def __init__(self) -> None:
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.DownloadColumn(),
            bars.TransferSpeedColumn(),
            bars.TimeRemainingColumn(),
        )
        self._tasks: dict[str, bars.TaskID] = {}

    def begin(self, name: str, size: int, done: int) -> None:
        self._tasks[name] = self._bars.add_task(name, total=size, completed=done)

    def moved(self, name: str, size: int) -> None:
        self._bars.advance(self._tasks[name], size)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
