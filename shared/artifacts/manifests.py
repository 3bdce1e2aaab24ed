"""Manifests: small JSON whose existence means that a stage is done. The first writer wins."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.artifacts.client import CONFLICT, EXISTS, MISSING, code_of, translated
from shared.contracts.artifact import Manifest, manifest_key
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError, TransientError, UpstreamError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGEST = 1024 * 1024  # bytes; ours are a few kB, so anything larger is no manifest
WRITE_ATTEMPTS = 6


class _ContestedError(Exception):
    """Another write of the same key is under way, or its object went away again: look once more."""


class Manifests:
    """The manifests of one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, stage: Stage, stage_key: str) -> Manifest | None:
        body = self._get(manifest_key(stage, stage_key))
        if body is None:
            return None
        manifest = parse(body)
        if (manifest.stage, manifest.stage_key) != (stage, stage_key):
            raise UpstreamError("artifact_corrupt", "a manifest speaks of other work than its key does")
        return manifest

    def read_at(self, key: str) -> Manifest:
        body = self._get(key)
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
        with translated("write a manifest"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=manifest_key(manifest.stage, manifest.stage_key),
                    Body=manifest.model_dump_json().encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if code_of(error) in CONFLICT:
                    raise _ContestedError from error
                if code_of(error) not in EXISTS:
                    raise
            else:
                return manifest
        standing = self.read(manifest.stage, manifest.stage_key)
        if standing is None:
            raise _ContestedError
        return standing

    def discard(self, stage: Stage, stage_key: str, attempt_id: str | None) -> None:
        if attempt_id is not None:
            standing = self.read(stage, stage_key)
            if standing is None or standing.attempt_id != attempt_id:
                return
        with translated("discard a manifest"):
            self._client.delete_object(Bucket=self._bucket, Key=manifest_key(stage, stage_key))

    def _get(self, key: str) -> bytes | None:
        with translated("read a manifest"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
            with found["Body"] as body:
                if found["ContentLength"] > LARGEST:
                    raise UpstreamError("artifact_corrupt", f"a manifest has {found['ContentLength']} bytes")
                return body.read()


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
