"""Manifests: small JSON whose existence means that a stage is done. The first writer wins."""

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.artifacts.records import Records, Written
from shared.contracts.artifact import Manifest, manifest_key
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError, TransientError, UpstreamError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITE_ATTEMPTS = 6


class _ContestedError(Exception):
    """Another write of the same key is under way, or its object went away again: look once more."""


class Manifests:
    """The manifests of one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._records = Records(client, bucket, "a manifest")

    def read(self, stage: Stage, stage_key: str) -> Manifest | None:
        body = self._records.read(manifest_key(stage, stage_key))
        if body is None:
            return None
        manifest = parse(body)
        if (manifest.stage, manifest.stage_key) != (stage, stage_key):
            raise UpstreamError("artifact_corrupt", "a manifest speaks of other work than its key does")
        return manifest

    def read_at(self, key: str) -> Manifest:
        body = self._records.read(key)
        if body is None:
            raise UpstreamError("artifact_missing", "there is no manifest at this key", key=key)
        return parse(body)

    def write(self, manifest: Manifest) -> Manifest:
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(_ContestedError),
                stop=stop_after_attempt(WRITE_ATTEMPTS),
                wait=wait_random_exponential(multiplier=0.05, max=2),
                reraise=True,
            ):
                with attempt:
                    return self._write_once(manifest)
        except _ContestedError as error:
            raise TransientError("storage_unavailable", "storage could not decide who wrote a manifest") from error
        raise AssertionError("tenacity either returns or raises")

    def _write_once(self, manifest: Manifest) -> Manifest:
        key = manifest_key(manifest.stage, manifest.stage_key)
        written = self._records.write(key, manifest.model_dump_json().encode())
        if written is Written.FIRST:
            return manifest
        if written is Written.CONTESTED:
            raise _ContestedError
        standing = self.read(manifest.stage, manifest.stage_key)
        if standing is None:
            raise _ContestedError
        return standing

    def discard(self, stage: Stage, stage_key: str, attempt_id: str | None) -> None:
        if attempt_id is not None:
            standing = self.read(stage, stage_key)
            if standing is None or standing.attempt_id != attempt_id:
                return
        self._records.discard(manifest_key(stage, stage_key))


def parse(body: bytes) -> Manifest:
    """A manifest from its JSON.

    The version is looked at first: a manifest of another version may well lack or add fields, and that is not
    damage. FatalError contract_mismatch, UpstreamError artifact_corrupt.
    """
    try:
        data = json.loads(body)
        version = data["contract_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UpstreamError("artifact_corrupt", "a manifest is not the JSON of a manifest") from error
    if version != CONTRACT_VERSION:
        raise FatalError(
            "contract_mismatch",
            f"a manifest has contract version {version}, this code speaks {CONTRACT_VERSION}; "
            "deploy workers and orchestrator of the same release",
        )
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        wrong = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise UpstreamError("artifact_corrupt", f"a manifest has wrong fields: {', '.join(wrong)}") from error
