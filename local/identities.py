"""Who may do what in the local S3: the policies that production uses, with keys that follow from the operator's."""

import hashlib
import hmac
from pathlib import Path

from local.seaweed import Identity

POLICIES = Path(__file__).parents[1] / "deploy" / "s3-policies"
PLACEHOLDER = "BUCKET"
"""What stands for the bucket's name in those files."""


def identities(bucket: str, operator_secret: str) -> tuple[Identity, ...]:
    """One for each file in `deploy/s3-policies`, named after it."""
    return tuple(_identity(path, bucket, operator_secret) for path in sorted(POLICIES.glob("*.json")))


def _identity(path: Path, bucket: str, operator_secret: str) -> Identity:
    return Identity(
        name=path.stem,
        access_key_id=path.stem.replace("_", "-"),
        secret_access_key=hmac.new(operator_secret.encode(), path.stem.encode(), hashlib.sha256).hexdigest(),
        policy=path.read_text().replace(PLACEHOLDER, bucket),
    )
