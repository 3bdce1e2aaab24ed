"""Records of early looks: beside the manifest of a base run, what its clip is. The first writer wins.

No manifest may be changed once it stands, and the clip is made after it, or never.
"""

from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import ClientError
from pydantic import ValidationError

from shared.artifacts.client import CONFLICT, EXISTS, MISSING, code_of, translated
from shared.contracts.artifact import Artifact, early_look_record_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger(__name__)


class Looks:
    """The early looks of one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, stage_key: str) -> Artifact | None:
        """None where there is none; one that cannot be read is as good as none, for it is a courtesy."""
        with translated("read the record of an early look"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=early_look_record_key(stage_key))
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
            with found["Body"] as body:
                text = body.read()
        try:
            return Artifact.model_validate_json(text)
        except ValidationError:
            log.warning("early_look_unreadable", stage_key=stage_key)
            return None

    def write(self, stage_key: str, look: Artifact) -> None:
        """Write it unless there is one already: both are of the same latents."""
        with translated("write the record of an early look"):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=early_look_record_key(stage_key),
                    Body=look.model_dump_json(exclude_none=True).encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if code_of(error) not in {*CONFLICT, *EXISTS}:
                    raise
