"""What the user may ask for. Strict: unknown or out-of-scope fields are refused, nothing is silently replaced."""

import json
from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    HttpUrl,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared import geometry
from shared.contracts.stage import Prompt, Seed
from shared.contracts.vocabulary import STORABLE, Camera, ControlType, Frozen, Precision, Quality, Resolution
from shared.recipes import MAX_STEPS, MIN_STEPS

MAX_METADATA = 2048  # bytes of JSON
MAX_TASKS = 5  # of one request

Text = Annotated[str, STORABLE]
UploadId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

OUT_OF_SCOPE = {
    "negative_prompt": "the negative prompt is a constant of the recipe",
    "cfg": "the guidance scale is a constant of the recipe",
    "cfg_scale": "the guidance scale is a constant of the recipe",
    "guidance_scale": "the guidance scale is a constant of the recipe",
    "last_frame": "a last frame is not supported; send a first image only",
    "last_frame_url": "a last frame is not supported; send a first image only",
    "end_image_url": "a last frame is not supported; send a first image only",
    "width": "choose `resolution`: 720p or 1080p",
    "height": "choose `resolution`: 720p or 1080p",
    "fps": "24 fps, or 48 with `temporal_upscale`",
    "num_frames": "choose `duration`: 10, 15 or 20 seconds",
    "loras": "choose a `camera`",
    "image_url": "use `image_urls` with one URL",
}


def _words(legal: Iterable[object]) -> str:
    """Legal values as pydantic itself lists them; `problems.py` reads them back."""
    return " or ".join(f"'{value}'" for value in legal)


class Control(Frozen):
    """IC-LoRA guidance by a video, or by the input image held over all frames: exactly one of the three sources."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: ControlType
    """What of the reference is kept: its depth, its edges, or the pose of the person in it."""
    video_url: HttpUrl | None = None
    """A reference video on the web."""
    upload_id: UploadId | None = None
    """A reference video that was uploaded."""
    source: Literal["image"] | None = None
    """`image`: the input image of the generation, held over all frames."""
    preprocessed: StrictBool = False
    """The reference is a depth, edge or pose map already."""
    strength: float = Field(default=1.0, strict=True, ge=0.0, le=1.0)
    """How hard the video is held to it."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(given is not None for given in (self.video_url, self.upload_id, self.source)) != 1:
            raise PydanticCustomError("control_source", "name exactly one of video_url, upload_id and source: 'image'")
        return self


class GenerationRequest(Frozen):
    """One video. Unknown fields are refused, never ignored."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    model: Literal["ltx-2", "ltx-2-t2v", "ltx-2-i2v"] = "ltx-2"
    """An image decides between text-to-video and image-to-video; the two longer names must fit what is sent."""
    prompt: Prompt
    """What is to be seen and heard."""
    image_urls: tuple[HttpUrl, ...] = Field(default=(), max_length=1)
    """The image that the video begins with, on the web: PNG, JPEG or WebP."""
    upload_id: UploadId | None = None
    """The image that the video begins with, uploaded; instead of `image_urls`."""
    quality: Quality = Quality.FAST
    """`pro` samples longer and follows the prompt more closely."""
    resolution: Resolution = Resolution.HD
    """What is delivered, exactly: 1280x720 or 1920x1080."""
    duration: int = Field(default=10, strict=True)
    """Seconds, exactly."""
    aspect_ratio: Literal["16:9"] = "16:9"
    camera: Camera = Field(default=Camera.STATIC, validation_alias=AliasChoices("camera", "camera_lora"))
    """How the camera moves. `none` leaves it to the prompt."""
    spatial_upscale: StrictBool = True
    """First at half the size, then doubled and refined: finer and quicker than one pass at full size."""
    temporal_upscale: StrictBool = False
    """48 instead of 24 frames a second."""
    detailer: StrictBool = False
    """One more pass for fine texture."""
    control: Control | None = None
    """Holds the video to another; the camera has to be `static` or `none` then."""
    precision: Precision = Precision.FP8
    """Of the weights. `full` needs larger GPUs and seldom looks different."""
    steps: int | None = Field(default=None, strict=True, ge=MIN_STEPS, le=MAX_STEPS)
    """Sampling steps, with `pro` only. Left out: 20."""
    seed: Seed | None = None
    """The same seed and fields give the same video. Left out: one is drawn, and told."""
    early_look: StrictBool = True
    """A small clip of the first stage while the others still run."""
    webhook_url: HttpUrl | None = None
    """https. Is told how the generation ended."""
    metadata: dict[Text, Text] = Field(default_factory=dict)
    """Comes back in answers and webhooks; at most 2,048 bytes as JSON."""

    @model_validator(mode="before")
    @classmethod
    def _in_scope(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise PydanticCustomError("not_an_object", "send a JSON object")
        if "camera" in data and "camera_lora" in data:
            raise PydanticCustomError(
                "two_cameras", "`camera_lora` is another name of `camera`; send one of them", {"field": "camera"}
            )
        return data

    @field_validator("resolution", mode="before")
    @classmethod
    def _resolution_is_sold(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = (info.context or {}).get("allow_draft")
        legal = [each.value for each in Resolution if allowed or each is not Resolution.DRAFT]
        if value not in legal:
            raise PydanticCustomError("resolution", "Input should be {expected}", {"expected": _words(legal)})
        return value

    @field_validator("duration", mode="before")
    @classmethod
    def _duration_is_sold(cls, value: Any, info: ValidationInfo) -> int:
        legal = geometry.durations(info.data.get("resolution", Resolution.HD))
        if type(value) is int and value in legal:  # neither True nor 10.0 is meant, though Python finds them equal
            return value
        context: dict[str, Any] = {"expected": _words(legal), "shown": ", ".join(map(str, legal))}
        if type(value) is int or (type(value) is float and isfinite(value)):
            context["nearest"] = min(legal, key=lambda seconds: abs(seconds - value))
        raise PydanticCustomError("duration", "Input should be one of the numbers {shown} (seconds)", context)

    @field_validator("control")
    @classmethod
    def _control_fixes_the_camera(cls, value: Control | None, info: ValidationInfo) -> Control | None:
        camera = info.data.get("camera", Camera.STATIC)
        if value and camera not in {Camera.STATIC, Camera.NONE}:
            raise PydanticCustomError(
                "control_camera", "a control video already fixes the camera; send camera 'static' or 'none'"
            )
        has_image = info.data.get("image_urls") or info.data.get("upload_id")
        if value and value.source == "image" and not has_image:
            raise PydanticCustomError("control_image", "source 'image' needs an image; send image_urls or upload_id")
        return value

    @field_validator("steps")
    @classmethod
    def _steps_are_for_pro(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("quality") is Quality.FAST:
            raise PydanticCustomError("steps_for_pro", "only pro takes a number of steps; leave it out for fast")
        return value

    @field_validator("metadata")
    @classmethod
    def _metadata_is_small(cls, value: dict[str, str]) -> dict[str, str]:
        size = len(json.dumps(value, ensure_ascii=False).encode())
        if size > MAX_METADATA:
            raise PydanticCustomError(
                "metadata_size",
                "metadata takes {size} bytes as JSON; at most {limit} are allowed",
                {"size": size, "limit": MAX_METADATA},
            )
        return value

    @field_validator("upload_id")
    @classmethod
    def _one_image(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("image_urls"):
            raise PydanticCustomError("two_images", "send image_urls or upload_id, not both")
        return value

    @model_validator(mode="after")
    def _model_name_fits(self) -> Self:
        if self.model == "ltx-2-t2v" and self.has_image:
            raise PydanticCustomError(
                "model_image", "model 'ltx-2-t2v' takes no image; use 'ltx-2'", {"field": "model", "nearest": "ltx-2"}
            )
        if self.model == "ltx-2-i2v" and not self.has_image:
            raise PydanticCustomError(
                "model_image",
                "model 'ltx-2-i2v' needs an image; send image_urls or upload_id",
                {"field": "model", "nearest": "ltx-2"},
            )
        return self

    @property
    def has_image(self) -> bool:
        return bool(self.image_urls) or self.upload_id is not None


class Batch(Frozen):
    """Several videos at once, in the shape that Mivo's pages send for their other models: all start, or none."""

    tasks: tuple[GenerationRequest, ...] = Field(min_length=1, max_length=MAX_TASKS)
