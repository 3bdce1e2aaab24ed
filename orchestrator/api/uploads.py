"""POST /api/uploads: a presigned PUT for an image or a control video; its id goes into an `upload_id`."""

from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from orchestrator.api.answers import Upload
from orchestrator.api.auth import Caller
from orchestrator.api.body import json_body
from orchestrator.api.document import WITH_BODY, WITH_KEY, answers, body_of
from orchestrator.api.examples import UPLOAD_EXAMPLES
from orchestrator.api.services import Injected
from orchestrator.store import deliveries
from shared.contracts.vocabulary import Frozen
from shared.media.images import MAX_BYTES as MAX_IMAGE_BYTES
from shared.media.users import MAX_BYTES as MAX_VIDEO_BYTES

router = APIRouter(prefix="/api/uploads", tags=["uploads"])


class UploadRequest(Frozen):
    """The claim is believed for the limit only: what it really is, is found when a generation uses it."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"media_type": {"pattern": "^image/"}}},
            "then": {"properties": {"bytes": {"maximum": MAX_IMAGE_BYTES}}},
        }
    )

    media_type: Literal["image/png", "image/jpeg", "image/webp", "video/mp4", "video/webm", "video/quicktime"]
    bytes: int = Field(strict=True, ge=1, le=MAX_VIDEO_BYTES)

    @field_validator("bytes")
    @classmethod
    def _images_are_smaller(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("media_type", "").startswith("image/") and value > MAX_IMAGE_BYTES:
            raise PydanticCustomError(
                "image_bytes", "an image has at most {limit} bytes", {"limit": MAX_IMAGE_BYTES, "le": MAX_IMAGE_BYTES}
            )
        return value


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=answers(Upload, *WITH_KEY, *WITH_BODY, status=HTTPStatus.CREATED),
    openapi_extra=body_of(UploadRequest, examples=UPLOAD_EXAMPLES),
)
async def create(request: Request, services: Injected, key: Caller) -> JSONResponse:
    """PUT exactly that many bytes to `url`, with `headers`, before `expires_at`."""
    asked = UploadRequest.model_validate(await json_body(request))
    upload_id = uuid4().hex
    target = f"inputs/uploads/{upload_id}"
    put = services.library.upload_url(
        target, seconds=services.settings.upload_seconds, media_type=asked.media_type, size=asked.bytes
    )
    async with services.database.statements() as connection:
        await deliveries.insert_upload(
            connection, upload_id=upload_id, owner=key.name, key=target, media_type=asked.media_type, size=asked.bytes
        )
    shown: dict[str, Any] = {
        "upload_id": upload_id,
        "method": "PUT",
        "url": put.url,
        "headers": dict(put.headers),
        "expires_at": put.expires_at.isoformat(),
    }
    return JSONResponse(shown, HTTPStatus.CREATED)
