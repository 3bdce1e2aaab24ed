"""Bytes between our disk and the bucket, hashed while they move: before or after, that takes as long again."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from boto3.s3.transfer import TransferConfig, create_transfer_manager

from shared.artifacts.client import translated
from shared.artifacts.download import Download, corrupt
from shared.artifacts.settings import S3Settings
from shared.contracts.artifact import Artifact
from shared.errors import FatalError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class _Cancellable(Protocol):
    def cancel(self) -> None: ...


@dataclass(frozen=True)
class Sent:
    """What an upload left in the bucket."""

    key: str
    sha256: str
    bytes: int


class Transfers:
    """The transfers of one store, begun in any thread."""

    def __init__(self, client: "S3Client", settings: S3Settings) -> None:
        self._client = client
        self._settings = settings
        self.how = TransferConfig(
            multipart_threshold=settings.part_bytes,
            multipart_chunksize=settings.part_bytes,
            max_concurrency=settings.concurrency,
        )
        self._under_way: set[_Cancellable] = set()

    def cancel(self) -> None:
        """End all that is under way, from any thread: each raises concurrent.futures.CancelledError where it runs."""
        for transfer in tuple(self._under_way):
            transfer.cancel()

    @contextmanager
    def _listed(self, transfer: _Cancellable) -> Iterator[None]:
        self._under_way.add(transfer)
        try:
            yield
        finally:
            self._under_way.discard(transfer)

    def upload(self, path: Path, key: str | Callable[[str], str], media_type: str) -> Sent:
        """The file is hashed while it goes up; before, where its key depends on that.

        FatalError internal for a file that was replaced, or changed its size or its time of change, meanwhile: the
        bytes in the bucket may then be others than those of the hash. What even that does not show, a change within
        the file system's tick that keeps the size, every read finds by the hash. What was sent stays in the bucket.
        """
        before = _state(path)
        with ThreadPoolExecutor(1, "hash") as pool:
            hashing = pool.submit(_sha256, path)
            at = key if isinstance(key, str) else key(hashing.result())
            with translated("upload an artifact"), create_transfer_manager(self._client, self.how) as manager:
                sending = manager.upload(str(path), self._settings.bucket, at, {"ContentType": media_type})
                with self._listed(sending):
                    sending.result()
            digest = hashing.result()
        if _state(path) != before:
            raise FatalError("internal", "a file changed while it was uploaded", name=path.name)
        return Sent(at, digest, before.size)

    def download(self, artifact: Artifact, file: IO[bytes]) -> None:
        """All of an object into a file that is open for writing; verified when this returns.

        UpstreamError artifact_missing; artifact_corrupt for another size (before any of it is written), another
        version halfway, or another sha256.
        """
        fetching = Download(self._client, self._settings, artifact, file.fileno())
        with translated("download an artifact"), self._listed(fetching):
            digest = fetching.sha256()
        if digest != artifact.sha256:
            raise corrupt(artifact, f"has sha256 {digest} instead of {artifact.sha256}")


@dataclass(frozen=True)
class _State:
    inode: int
    size: int
    changed: int


def _state(path: Path) -> _State:
    now = path.stat()
    return _State(now.st_ino, now.st_size, now.st_mtime_ns)


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
