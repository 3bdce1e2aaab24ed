"""Records of early looks: beside the manifest of a base run, what its clip is. The first writer wins.

No manifest may be changed once it stands, and the clip is made after it, or never.
"""

from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from shared.artifacts.records import Records
from shared.contracts.artifact import Artifact, early_look_record_key
from shared.errors import UpstreamError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger(__name__)


class Looks:
    """The early looks of one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._records = Records(client, bucket, "the record of an early look")

    def read(self, stage_key: str) -> Artifact | None:
        """None where there is none; one that cannot be read is as good as none, for it is a courtesy."""
        try:
            text = self._records.read(early_look_record_key(stage_key))
            return None if text is None else Artifact.model_validate_json(text)
        except (UpstreamError, ValidationError):
            log.warning("early_look_unreadable", stage_key=stage_key)
            return None

    def write(self, stage_key: str, look: Artifact) -> None:
        """Write it unless there is one already, or is about to be: both are of the same latents."""
        self._records.write(early_look_record_key(stage_key), look.model_dump_json(exclude_none=True).encode())
