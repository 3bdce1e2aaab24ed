"""One object onto our disk, hashed while its parts come.

Not by s3transfer, which hands bytes on in no order, or in order at twice the CPU time.
"""

import hashlib
import os
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.nap import sleep_using_event

from shared.artifacts.client import MISSING, code_of
from shared.artifacts.settings import MIB, S3Settings
from shared.contracts.artifact import Artifact
from shared.errors import UpstreamError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

CHUNK = MIB
"""Bytes read, written and hashed at a time: large enough that Python's lock changes hands seldom."""

BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""An answer that ended in the middle; botocore itself only repeats requests that had none."""

CHANGED = {"412", "PreconditionFailed"}
TOO_SHORT = {"416", "InvalidRange"}


@dataclass(eq=False)
class _Part:
    """Bytes `start` to `end` of the object (without `end`), as they come."""

    start: int
    end: int
    chunks: "SimpleQueue[bytes]" = field(default_factory=SimpleQueue)
    """An empty one ends it, for good or ill."""


class Download:
    """One object, in parts that come and are written in parallel, and are hashed in their order from memory.

    That takes at most `concurrency` times `part_bytes` of memory, when the first of many parts comes last.
    """

    def __init__(self, client: "S3Client", settings: S3Settings, artifact: Artifact, descriptor: int) -> None:
        self._client = client
        self._settings = settings
        self._artifact = artifact
        self._descriptor = descriptor
        self._version: dict[str, Any] = {}
        self._given_up = Event()

    def cancel(self) -> None:
        self._given_up.set()

    def sha256(self) -> str:
        """Of all that came. The first answer tells whether the object is there, its size, and its version."""
        size, step, at_once = self._artifact.bytes, self._settings.part_bytes, self._settings.concurrency
        waiting = deque(_Part(start, min(start + step, size)) for start in range(0, max(size, 1), step))
        body = self._first(waiting[0])
        digest = hashlib.sha256()
        coming: deque[tuple[_Part, Future[None]]] = deque()
        with ThreadPoolExecutor(min(at_once, len(waiting)), "download") as pool:
            try:
                while waiting or coming:
                    while waiting and len(coming) < at_once:
                        part = waiting.popleft()
                        coming.append((part, pool.submit(self._queue, part, None if part.start else body)))
                    part, received = coming.popleft()
                    while chunk := part.chunks.get():  # the end comes: every read of `_receive` has a time limit
                        digest.update(chunk)
                    received.result()
            finally:
                self._given_up.set()
        return digest.hexdigest()

    def _first(self, part: _Part) -> "StreamingBody":
        whole = part.end == self._artifact.bytes
        answer = self._ask({} if whole else _range(part.start, part.end))
        found = answer["ContentLength"] if whole else int(answer["ContentRange"].rpartition("/")[2])
        if found != self._artifact.bytes:
            answer["Body"].close()
            raise corrupt(self._artifact, f"has {found} bytes instead of {self._artifact.bytes}")
        if "ETag" in answer:
            self._version = {"IfMatch": answer["ETag"]}
        body: StreamingBody = answer["Body"]
        return body

    def _ask(self, how: dict[str, Any]) -> Any:
        try:
            return self._client.get_object(Bucket=self._settings.bucket, Key=self._artifact.key, **how, **self._version)
        except ClientError as error:
            code = code_of(error)
            if code in MISSING:
                raise UpstreamError(
                    "artifact_missing", "an artifact is gone from storage", key=self._artifact.key
                ) from error
            if code in CHANGED:
                raise corrupt(self._artifact, "was overwritten while it was read") from error
            if code in TOO_SHORT:
                raise corrupt(self._artifact, f"has fewer bytes than {self._artifact.bytes}") from error
            raise

    def _queue(self, part: _Part, body: "StreamingBody | None") -> None:
        try:
            self._receive(part, body)
        finally:
            part.chunks.put(b"")

    def _receive(self, part: _Part, body: "StreamingBody | None") -> None:
        """All chunks of a part, in order and each once: after a broken answer it goes on where that one ended."""
        at = part.start
        tries = Retrying(
            stop=stop_after_attempt(self._settings.attempts),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            retry=retry_if_exception_type(BROKEN),
            sleep=sleep_using_event(self._given_up),
            reraise=True,
        )
        for attempt in tries:
            if self._given_up.is_set():
                raise CancelledError
            with attempt, closing(body or self._ask(_range(at, part.end))["Body"]) as stream:
                body = None
                while chunk := stream.read(CHUNK):
                    if self._given_up.is_set():
                        raise CancelledError
                    part.chunks.put(chunk)
                    _write(self._descriptor, chunk, at)
                    at += len(chunk)


def _write(descriptor: int, chunk: bytes, at: int) -> None:
    """All of it: a disk that is nearly full takes a part, and says no only to the next call."""
    rest = memoryview(chunk)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written


def _range(start: int, end: int) -> dict[str, Any]:
    return {"Range": f"bytes={start}-{end - 1}"}


def corrupt(artifact: Artifact, how: str) -> UpstreamError:
    return UpstreamError("artifact_corrupt", f"an artifact {how}", key=artifact.key)
