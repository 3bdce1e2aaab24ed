"""Small JSON objects of which the first that is written stays: manifests, and the records of early looks."""

from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.artifacts.client import CONFLICT, EXISTS, MISSING, code_of, translated
from shared.errors import UpstreamError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGEST = 1024 * 1024
"""Bytes; ours are a few kB, so anything larger is none of ours."""


class Written(StrEnum):
    """What became of a write."""

    FIRST = "first"
    STANDING = "standing"
    """Another one was there before."""
    CONTESTED = "contested"
    """Another write of this key is under way; whose will stand is not decided."""


class Records:
    """The records of one bucket. `what` says in errors which kind it is."""

    def __init__(self, client: "S3Client", bucket: str, what: str) -> None:
        self._client = client
        self._bucket = bucket
        self._what = what

    def read(self, key: str) -> bytes | None:
        """None where there is none; UpstreamError artifact_corrupt for one that is too large."""
        with translated(f"read {self._what}"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
            with found["Body"] as body:
                if found["ContentLength"] > LARGEST:
                    raise UpstreamError("artifact_corrupt", f"{self._what} has {found['ContentLength']} bytes")
                return body.read()

    def write(self, key: str, body: bytes) -> Written:
        with translated(f"write {self._what}"):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
            except ClientError as error:
                if code_of(error) in CONFLICT:
                    return Written.CONTESTED
                if code_of(error) in EXISTS:
                    return Written.STANDING
                raise
        return Written.FIRST

    def discard(self, key: str) -> None:
        """No record at all is fine."""
        with translated(f"discard {self._what}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)
