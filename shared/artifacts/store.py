"""Objects and presigned URLs. Manifests are in `manifests.py`, buckets and their rules in `bucket.py`."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from botocore.exceptions import ClientError

from shared.artifacts.client import MISSING, code_of, connect, translated
from shared.artifacts.looks import Looks
from shared.artifacts.manifests import Manifests
from shared.artifacts.settings import S3Settings
from shared.artifacts.transfer import Transfers
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import TransientError, UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PRESIGN_LIMIT = 7 * 24 * 3600  # seconds; the longest that Signature Version 4 allows
READY_SECONDS = 3.0


class Facts(TypedDict, total=False):
    """What an artifact says about itself besides key, hash and size."""

    shape: tuple[int, ...]
    dtype: str
    width: int
    height: int
    frames: int
    fps: int
    seconds: float
    audio_seconds: float | None


@dataclass(frozen=True)
class ObjectFacts:
    """What the server says of an object, without reading it."""

    bytes: int
    media_type: str


@dataclass(frozen=True)
class PresignedPut:
    """Send `PUT url` with exactly these headers and the body, before `expires_at`."""

    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_at: datetime


class ArtifactStore:
    """One bucket. Thread-safe; close it when done (or use it as a context manager)."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._client: S3Client = connect(settings)
        self._probe: S3Client = connect(settings, attempts=1, seconds=READY_SECONDS)
        public = settings.public_endpoint_url
        self._signer: S3Client = connect(settings, endpoint_url=public) if public else self._client
        self._transfers = Transfers(self._client, settings)
        self._manifests = Manifests(self._client, settings.bucket)
        self.looks = Looks(self._client, settings.bucket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for client in (self._client, self._probe, self._signer):
            client.close()

    # objects

    def upload(
        self, path: Path, key: str | Callable[[str], str], *, media_type: str, **facts: Unpack[Facts]
    ) -> Artifact:
        """Put a file, in parallel parts when it is large.

        The sha256 is that of the file on our disk; FatalError internal when that changed meanwhile (see
        `Transfers.upload`). `key` may be a function of that sha256, for what is kept under its hash.
        concurrent.futures.CancelledError after `cancel_transfers`.
        """
        sent = self._transfers.upload(path, key, media_type)
        return Artifact(key=sent.key, sha256=sent.sha256, bytes=sent.bytes, media_type=media_type, **facts)

    def cancel_transfers(self) -> None:
        """End every upload and download that is under way, from any thread. An upload takes its parts back first."""
        self._transfers.cancel()

    def upload_bytes(self, body: bytes, key: str, *, media_type: str, **facts: Unpack[Facts]) -> Artifact:
        """Put a small object that is in memory already."""
        artifact = Artifact(
            key=key,
            sha256=hashlib.sha256(body).hexdigest(),
            bytes=len(body),
            media_type=media_type,
            **facts,
        )
        with translated("upload an artifact"):
            self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=body, ContentType=media_type)
        return artifact

    def download(self, artifact: Artifact, path: Path) -> None:
        """Get an object into `path`, which appears only when whole and verified.

        UpstreamError artifact_missing; artifact_corrupt when size or sha256 are not those of the artifact.
        concurrent.futures.CancelledError after `cancel_transfers`.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                self._transfers.download(artifact, file)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def receive(self, key: str, path: Path, *, limit: int) -> bool:
        """Get an object that a user uploaded, whose hash nobody knows yet. False when there is none.

        UserError input_too_large above `limit` bytes.
        """
        found = self.head(key)
        if found is None:
            return False
        if found.bytes > limit:
            raise UserError("input_too_large", f"the upload has {found.bytes} bytes; at most {limit} are taken")
        with path.open("wb") as file, translated("read an upload"):
            self._client.download_fileobj(self.settings.bucket, key, file, Config=self._transfers.how)
        return True

    def head(self, key: str) -> ObjectFacts | None:
        """Size and type of an object, None where there is none."""
        with translated("look at an object"):
            try:
                found = self._client.head_object(Bucket=self.settings.bucket, Key=key)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
        return ObjectFacts(bytes=found["ContentLength"], media_type=found["ContentType"])

    # manifests

    def read_manifest(self, stage: Stage, stage_key: str) -> Manifest | None:
        """The manifest of finished work, None where there is none.

        FatalError contract_mismatch for one of another contract version; UpstreamError artifact_corrupt for one
        that cannot be read or speaks of other work.
        """
        return self._manifests.read(stage, stage_key)

    def read_manifest_at(self, key: str) -> Manifest:
        """The manifest at a key that somebody named: UpstreamError artifact_missing where there is none."""
        return self._manifests.read_at(key)

    def write_manifest(self, manifest: Manifest) -> Manifest:
        """Write it unless there is one already, and return the one that stands: the first writer wins."""
        return self._manifests.write(manifest)

    def discard_manifest(self, stage: Stage, stage_key: str, *, attempt_id: str | None = None) -> None:
        """Take back a manifest whose artifacts turned out missing or corrupt, so that its stage can run again.

        With `attempt_id` only that attempt's: a successor that stands there by now is left alone. Without,
        whatever stands there, even if it cannot be read. No manifest at all is fine.
        """
        self._manifests.discard(stage, stage_key, attempt_id)

    # presigned URLs: never log them

    def presign_get(self, key: str, *, seconds: int, download_name: str | None = None) -> str:
        """A URL that reads one object (also by Range) for `seconds`; a name makes browsers save it under it."""
        params = {"Bucket": self.settings.bucket, "Key": key}
        if download_name is not None:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", download_name)
            params["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        return self._presign("get_object", params, seconds)

    def presign_put(self, key: str, *, seconds: int, media_type: str, size: int | None = None) -> PresignedPut:
        """A URL that writes one object of this type, of exactly `size` bytes, within `seconds`.

        What bounds the size: the length is part of the signature, so the server refuses any other (checked
        against SeaweedFS and rclone; a presigned POST could give a range, but R2 has no POST). Without `size`
        nothing bounds it, and whoever uses the object has to look at `head(key).bytes` first.
        """
        params: dict[str, str | int] = {
            "Bucket": self.settings.bucket,
            "Key": key,
            "ContentType": media_type,
        }
        if size is not None:
            params["ContentLength"] = size
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        url = self._presign("put_object", params, seconds)
        return PresignedPut(url=url, headers={"Content-Type": media_type}, expires_at=expires_at)

    def _presign(self, operation: str, params: Mapping[str, Any], seconds: int) -> str:
        if not 0 < seconds <= PRESIGN_LIMIT:
            raise ValueError(f"a presigned URL lives 1 to {PRESIGN_LIMIT} seconds, not {seconds}")
        return self._signer.generate_presigned_url(operation, Params=dict(params), ExpiresIn=seconds)

    # health

    def ensure_ready(self) -> None:
        """One quick question for /readyz: is the bucket there, and are our keys good?

        TransientError storage_unavailable within about three seconds otherwise.
        """
        with translated("reach the bucket"):
            try:
                self._probe.head_bucket(Bucket=self.settings.bucket)
            except ClientError as error:
                if code_of(error) in MISSING:
                    raise TransientError(
                        "storage_unavailable",
                        f"the bucket {self.settings.bucket} does not exist; "
                        "`python -m shared.artifacts setup` makes it",
                    ) from error
                raise
