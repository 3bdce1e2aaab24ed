"""Images and control videos of users, checked and kept under their hash before a generation exists."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import HttpUrl

from orchestrator.library import Library
from orchestrator.outside import Outside
from orchestrator.store import Database, deliveries
from shared.contracts.artifact import Artifact
from shared.contracts.request import GenerationRequest
from shared.errors import TransientError, UserError
from shared.media import check_image, check_video
from shared.media.images import MAX_BYTES as MAX_IMAGE_BYTES
from shared.media.users import MAX_BYTES as MAX_VIDEO_BYTES

AT_ONCE = 16
"""Files of users that one replica fetches and decodes at a time: 1.6 GB of disk at most, and room for other work."""
TURN_SECONDS = 20.0


@dataclass(frozen=True)
class _Kind:
    """What is looked for in a file of a user."""

    max_bytes: int
    media_type: Callable[[Path], Awaitable[str]]
    """By decoding it; UserError input_not_media or input_too_large."""


async def _image_type(path: Path) -> str:
    return (await asyncio.to_thread(check_image, path)).media_type


async def _video_type(path: Path) -> str:
    return (await check_video(path)).media_type


_IMAGE = _Kind(MAX_IMAGE_BYTES, _image_type)
_VIDEO = _Kind(MAX_VIDEO_BYTES, _video_type)


class Inputs:
    """UserErrors name the field that led to them."""

    def __init__(self, *, database: Database, library: Library, outside: Outside) -> None:
        self._database = database
        self._library = library
        self._outside = outside
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def check_webhook(self, url: str) -> None:
        """UserError when we would never deliver to this URL."""
        try:
            await self._outside.check(url)
        except UserError as error:
            raise _of_field(error, "webhook_url") from error

    async def image_of(self, asked: GenerationRequest, owner: str) -> Artifact | None:
        """The request's image in S3, None when it has none."""
        if asked.image_urls:
            return await self._fetched(asked.image_urls[0], _IMAGE, field="image_urls.0")
        if asked.upload_id:
            return await self._uploaded(asked.upload_id, owner, _IMAGE, field="upload_id")
        return None

    async def control_of(self, asked: GenerationRequest, owner: str, image: Artifact | None) -> Artifact | None:
        """What the request's control follows, in S3: a video, or `image`. None without a control."""
        if asked.control is None:
            return None
        if asked.control.video_url:
            return await self._fetched(asked.control.video_url, _VIDEO, field="control.video_url")
        if asked.control.upload_id:
            return await self._uploaded(asked.control.upload_id, owner, _VIDEO, field="control.upload_id")
        return image

    async def _fetched(self, url: HttpUrl, kind: _Kind, *, field: str) -> Artifact:
        async def fetch(path: Path) -> None:
            await self._outside.fetch(str(url), path, max_bytes=kind.max_bytes)

        return await self._kept(fetch, kind, field)

    async def _uploaded(self, upload_id: str, owner: str, kind: _Kind, *, field: str) -> Artifact:
        async def receive(path: Path) -> None:
            async with self._database.statements() as connection:
                upload = await deliveries.get_upload(connection, upload_id, owner=owner)
            if upload is None:
                raise UserError("invalid_input", "there is no such upload; POST /api/uploads makes one")
            limit = min(upload.bytes, kind.max_bytes)
            if not await self._library.receive(upload.key, path, limit=limit):
                raise UserError("input_unreachable", "nothing has been uploaded yet; PUT the file to its URL first")

        return await self._kept(receive, kind, field)

    async def _kept(self, get: Callable[[Path], Awaitable[None]], kind: _Kind, field: str) -> Artifact:
        async with self._turn():
            return await self._checked(get, kind, field)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise TransientError(
                "storage_unavailable", "too many files are being checked at the moment; try again soon"
            ) from error
        try:
            yield
        finally:
            self._turns.release()

    async def _checked(self, get: Callable[[Path], Awaitable[None]], kind: _Kind, field: str) -> Artifact:
        with TemporaryDirectory(prefix="ltx2-input-") as folder:
            path = Path(folder) / "input"
            try:
                await get(path)
                media_type = await kind.media_type(path)
            except UserError as error:
                raise _of_field(error, field) from error
            return await self._library.keep_input(path, media_type=media_type)


def _of_field(error: UserError, field: str) -> UserError:
    return UserError(error.code, error.message, **{**error.detail, "field": field})
