"""Images of users, from a URL or an upload, checked and kept under their hash before a generation exists."""

import asyncio
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.library import Library
from orchestrator.outside import Outside
from orchestrator.store import Database, deliveries
from shared.contracts.artifact import Artifact, input_key
from shared.contracts.request import GenerationRequest
from shared.errors import UserError
from shared.media import check_image

MAX_IMAGE_BYTES = 20 * 1024 * 1024


class Inputs:
    def __init__(self, *, database: Database, library: Library, outside: Outside) -> None:
        self._database = database
        self._library = library
        self._outside = outside

    def check_webhook(self, url: str) -> None:
        """UserError that names the field when we would never deliver to this URL."""
        try:
            self._outside.check(url)
        except UserError as error:
            raise _of_field(error, "webhook_url") from error

    async def image_of(self, asked: GenerationRequest, owner: str) -> Artifact | None:
        """The request's image in S3, None when it has none. UserErrors name the field that led to it."""
        if not asked.has_image:
            return None
        field = "image_urls.0" if asked.image_urls else "upload_id"
        with TemporaryDirectory(prefix="ltx2-input-") as folder:
            path = Path(folder) / "image"
            try:
                if asked.image_urls:
                    await self._outside.fetch(str(asked.image_urls[0]), path, max_bytes=MAX_IMAGE_BYTES)
                else:
                    await self._receive(asked.upload_id or "", owner, path)
                return await self._keep(path)
            except UserError as error:
                raise _of_field(error, field) from error

    async def _receive(self, upload_id: str, owner: str, path: Path) -> None:
        async with self._database.transaction() as connection:
            upload = await deliveries.get_upload(connection, upload_id, owner=owner)
        if upload is None:
            raise UserError("invalid_input", "there is no such upload; POST /api/uploads makes one")
        if not await self._library.receive(upload.key, path, limit=upload.bytes):
            raise UserError("input_unreachable", "nothing has been uploaded yet; PUT the image to its URL first")

    async def _keep(self, path: Path) -> Artifact:
        info = await asyncio.to_thread(check_image, path)
        digest = await asyncio.to_thread(_sha256, path)
        return await self._library.keep(path, input_key(digest), media_type=info.media_type)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_field(error: UserError, field: str) -> UserError:
    return UserError(error.code, error.message, **{**error.detail, "field": field})
