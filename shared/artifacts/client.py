"""The boto3 client, and its failures in our words. Nothing above this module sees a botocore exception."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError

from shared.artifacts.settings import S3Settings
from shared.errors import FatalError, MivoError, TransientError, UpstreamError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING = {"404", "NoSuchKey", "NotFound"}
EXISTS = {"412", "PreconditionFailed"}
CONFLICT = {"409", "ConditionalRequestConflict"}
"""AWS and R2: another conditional write of this key is under way; the answer is to try again."""

_SESSION = boto3.session.Session()  # reads the description of S3 once, which takes longer than all the rest
_SESSION_LOCK = Lock()  # clients are thread-safe, their making is not


def connect(
    settings: S3Settings,
    *,
    endpoint_url: str | None = None,
    attempts: int | None = None,
    seconds: float | None = None,
) -> "S3Client":
    """A client of the bucket's server; `attempts` and `seconds` override the settings for quick probes."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
        retries={"mode": "standard", "total_max_attempts": attempts or settings.attempts},
        connect_timeout=seconds or settings.connect_seconds,
        read_timeout=seconds or settings.read_seconds,
        max_pool_connections=2 * settings.concurrency,
        request_checksum_calculation=settings.checksums,
        response_checksum_validation="when_required",  # what we read is verified by its sha256, or by its form
    )
    with _SESSION_LOCK:
        return _SESSION.client(
            "s3",
            endpoint_url=endpoint_url or settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.get_secret_value(),
            config=config,
        )


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise our errors for botocore's. `what` says what was being done, without keys or URLs."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, what) from error
    except (BotoCoreError, RetriesExceededError) as error:
        # no answer at all: refused, reset, timed out, cut short; botocore has already retried
        raise TransientError(
            "storage_unavailable", f"storage did not answer while we tried to {what}", cause=type(error).__name__
        ) from error


def _of_answer(error: ClientError, what: str) -> MivoError:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = code_of(error)
    if code == "NoSuchBucket":
        return TransientError(
            "storage_unavailable", "the bucket does not exist; `python -m shared.artifacts setup` makes it"
        )
    if code in MISSING:
        return UpstreamError("artifact_missing", f"no such object, while we tried to {what}")
    if status in (401, 403):
        return TransientError(
            "storage_unavailable",
            f"storage refused our keys ({code}) while we tried to {what}; look at S3_ACCESS_KEY_ID, "
            "S3_SECRET_ACCESS_KEY and their rights",
        )
    if status >= 500 or status in (408, 409, 429) or not status:
        return TransientError("storage_unavailable", f"storage said {status} {code} while we tried to {what}")
    return FatalError("internal", f"storage refused to {what}: {status} {code}")
