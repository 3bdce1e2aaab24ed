"""Artifacts and manifests in S3: what the stages hand to each other, and what the user gets.

`ArtifactStore` is the one way to the bucket. Its methods are synchronous and safe to call from many threads:
workers call them in threads, the orchestrator through `asyncio.to_thread`.
"""

from shared.artifacts.bucket import setup
from shared.artifacts.settings import S3Settings
from shared.artifacts.store import ArtifactStore, ObjectFacts, PresignedPut

__all__ = ["ArtifactStore", "ObjectFacts", "PresignedPut", "S3Settings", "setup"]
