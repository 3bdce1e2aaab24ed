"""One ffmpeg that takes frames while others are still decoded."""

import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import IO, Self, cast

QUEUED = 16
"""Frames that wait for ffmpeg while the next tile is decoded: 100 MB at 1920x1088."""
STALL_SECONDS = 120.0
"""Without ffmpeg taking a frame, or ending after the last one. A frame takes it a fraction of a second."""
LOOK_SECONDS = 0.2
TOLD = 500  # characters of what ffmpeg said that go into an error


class EncoderError(RuntimeError):
    """ffmpeg failed; the message has its own words."""


class Encoder:
    """Use as a context manager: `write` every frame, then `finish`. Left without that, ffmpeg is killed.

    `target` appears only when it is whole. `watch` is called while it is waited for ffmpeg; what it raises gets
    through. EncoderError with ffmpeg's words; MemoryError when somebody killed it, which is how the kernel takes memory
    back.
    """

    def __init__(
        self,
        command: Callable[[Path], Sequence[str]],
        target: Path,
        *,
        watch: Callable[[], None],
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name}.part")
        self._argv = list(command(self._part))
        self._watch = watch
        self._stall = stall_seconds
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        self._words: IO[bytes] = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own command
                self._argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._words
            )
        except OSError as error:
            self._words.close()
            raise EncoderError(f"{self._argv[0]} cannot be started; install ffmpeg: {error}") from error
        self._pipe = cast("FileIO", self._process.stdin)
        self._writer = ThreadPoolExecutor(1, "encoder")
        return self

    def write(self, frame: Sequence[bytes | memoryview]) -> None:
        """Hand over one frame, in parts from top to bottom. Returns at once unless ffmpeg is too far behind."""
        self._pending.append(self._writer.submit(self._feed, frame))
        while len(self._pending) > QUEUED:
            self._settle(self._pending.popleft())

    def finish(self) -> None:
        """Wait until the file is whole, and give it its name."""
        while self._pending:
            self._settle(self._pending.popleft())
        self._pipe.close()
        self._until(self._process.wait, "did not end")
        if self._process.returncode:
            raise self._failed()
        self._part.replace(self._target)

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._writer.shutdown(cancel_futures=True)  # a write under way ends with the process that it was for
        self._pipe.close()
        self._words.close()
        self._part.unlink(missing_ok=True)

    def _feed(self, frame: Sequence[bytes | memoryview]) -> None:
        for part in frame:
            left = memoryview(part).cast("B")
            while left:
                left = left[self._pipe.write(left) :]

    def _settle(self, written: Future[None]) -> None:
        try:
            self._until(written.result, "took no frame")
        except OSError as error:  # the pipe is broken
            self._until(self._process.wait, "neither reads nor ends")
            raise self._failed() from error

    def _until(self, wait: Callable[[float], object], what: str) -> None:
        give_up = time.monotonic() + self._stall
        while True:
            self._watch()
            try:
                wait(LOOK_SECONDS)
            except (TimeoutError, subprocess.TimeoutExpired) as error:
                if time.monotonic() > give_up:
                    raise EncoderError(f"ffmpeg {what} for {self._stall:g} s") from error
            else:
                return

    def _failed(self) -> Exception:
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return MemoryError("ffmpeg was killed: the memory of the host ran out")
        self._words.seek(0)
        said = self._words.read().decode(errors="replace").strip()[-TOLD:]
        return EncoderError(f"ffmpeg ended with {code}: {said or 'nothing said'}")
