"""Manifests to write, and a way past the store."""

import secrets
from datetime import UTC, datetime

from shared.artifacts import S3Settings
from shared.artifacts.client import connect
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.vocabulary import Stage

STAGE = Stage.BASE_GEN


def digest() -> str:
    return secrets.token_hex(32)


def manifest_of(stage_key: str, *, attempt: str = "attempt-1") -> Manifest:
    video = Artifact(key=f"videos/{stage_key}.mp4", sha256=digest(), bytes=3, media_type="video/mp4")
    return Manifest(
        stage=STAGE,
        stage_key=stage_key,
        attempt_id=attempt,
        created_at=datetime.now(UTC),
        artifacts={"video": video},
        params={"seed": 7},
        recipe={"name": "fast"},
        models={},
    )


def put_raw(settings: S3Settings, key: str, body: bytes) -> None:
    """Behind the store's back."""
    client = connect(settings)
    client.put_object(Bucket=settings.bucket, Key=key, Body=body)
    client.close()
