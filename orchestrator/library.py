"""The artifact store for coroutines: its blocking calls run in threads, never on the event loop."""

import asyncio
from pathlib import Path

import structlog

from shared.artifacts import ArtifactStore, PresignedPut
from shared.contracts.artifact import Artifact, Manifest, input_key
from shared.contracts.vocabulary import Stage
from shared.errors import FatalError, UpstreamError

log = structlog.get_logger()


class Library:
    """Errors are those of `ArtifactStore`."""

    def __init__(self, store: ArtifactStore, *, presign_seconds: int) -> None:
        self._store = store
        self._presign_seconds = presign_seconds

    async def manifest(self, stage: Stage, stage_key: str) -> Manifest | None:
        """The manifest of finished work, None where there is none.

        FatalError internal for one that cannot be read: re-running an earlier stage, as `artifact_corrupt` would,
        mends nothing here.
        """
        try:
            return await asyncio.to_thread(self._store.read_manifest, stage, stage_key)
        except UpstreamError as error:
            raise FatalError("internal", f"the manifest of this work is unusable: {error.message}") from error

    async def discard(self, stage: Stage, stage_key: str, *, attempt_id: str) -> None:
        """Take back the manifest of this attempt, or one that cannot be read, so that the work is done again.

        Another attempt's stays: somebody has done the work again already.
        """
        try:
            await asyncio.to_thread(self._store.discard_manifest, stage, stage_key, attempt_id=attempt_id)
        except UpstreamError:
            log.warning("discarding an unreadable manifest", stage=stage, stage_key=stage_key)
            await asyncio.to_thread(self._store.discard_manifest, stage, stage_key)

    async def early_look(self, stage_key: str) -> Artifact | None:
        """That of a base run, None where there is none (yet)."""
        return await asyncio.to_thread(self._store.looks.read, stage_key)

    async def keep_input(self, path: Path, *, media_type: str) -> Artifact:
        """Put a user's file under its hash."""
        return await asyncio.to_thread(self._store.upload, path, input_key, media_type=media_type)

    async def receive(self, key: str, path: Path, *, limit: int) -> bool:
        """Get what a user uploaded; False when nothing is there."""
        return await asyncio.to_thread(self._store.receive, key, path, limit=limit)

    async def ensure_ready(self) -> None:
        await asyncio.to_thread(self._store.ensure_ready)

    def url(self, key: str, *, name: str | None = None) -> str:
        """A presigned URL; made locally, nothing is asked."""
        return self._store.presign_get(key, seconds=self._presign_seconds, download_name=name)

    def upload_url(self, key: str, *, seconds: int, media_type: str, size: int) -> PresignedPut:
        return self._store.presign_put(key, seconds=seconds, media_type=media_type, size=size)
