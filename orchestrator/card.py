"""The model card: all that a page needs to offer LTX-2, so that none of it is written down twice. Pure.

Values, bounds and defaults are read from the request's own type, credits from the table; only words for people, and
which combinations are impossible, stand here. A test holds both against `GenerationRequest`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, get_args

from pydantic import Field

from orchestrator import pricing
from shared import geometry
from shared.contracts.request import MAX_METADATA, Control, GenerationRequest
from shared.contracts.stage import MAX_PROMPT, MAX_SEED
from shared.contracts.vocabulary import Camera, ControlType, Frozen, Precision, Quality, Resolution
from shared.media.images import MAX_BYTES as MAX_IMAGE_BYTES
from shared.media.images import MAX_PIXELS as MAX_IMAGE_PIXELS
from shared.media.images import MEDIA_TYPES
from shared.media.users import MAX_BYTES as MAX_VIDEO_BYTES
from shared.media.users import MAX_SECONDS as MAX_VIDEO_SECONDS
from shared.recipes import MAX_STEPS, MIN_STEPS

AFTER = "seedance-1.5-pro"
"""LTX-2 stands behind it in Mivo's selector."""

Value = bool | int | float | str | None


class Choice(Frozen):
    value: str | int
    label: str


class Option(Frozen):
    """One field of a request. `choices` where only these may be sent; bounds where it is a number."""

    field: str
    kind: Literal["text", "choice", "toggle", "number", "image", "video"]
    label: str
    default: Value = None
    help: str | None = None
    choices: tuple[Choice, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


class Rule(Frozen):
    """While every field of `when` has one of its values, `field` may have only the `allowed` ones. null: left out."""

    when: dict[str, tuple[Value, ...]]
    field: str
    allowed: tuple[Value, ...]
    reason: str


class Price(Frozen):
    quality: Quality
    resolution: Resolution
    duration: int
    credits: int


class Limits(Frozen):
    prompt_characters: int = MAX_PROMPT
    metadata_bytes: int = MAX_METADATA
    image_bytes: int = MAX_IMAGE_BYTES
    image_pixels: int = MAX_IMAGE_PIXELS
    image_types: tuple[str, ...] = tuple(MEDIA_TYPES.values())
    video_bytes: int = MAX_VIDEO_BYTES
    video_seconds: int = MAX_VIDEO_SECONDS


class ModelCard(Frozen):
    id: Literal["ltx-2"] = "ltx-2"
    name: str = "LTX-2"
    after: str = AFTER
    aliases: tuple[str, ...]
    description: str = "Video with sound from a prompt, and from an image if you add one."
    aspect_ratios: tuple[str, ...] = ("16:9",)
    options: tuple[Option, ...]
    rules: tuple[Rule, ...]
    credits: tuple[Price, ...] = Field(description="What each kind of video costs; drafts cost nothing.")
    surcharges: pricing.Surcharges = Field(description="Credits that each enhancement adds; to a draft, none.")
    limits: Limits = Limits()


LABELS: dict[StrEnum, str] = {
    Quality.FAST: "Fast",
    Quality.PRO: "Pro",
    Resolution.HD: "720p",
    Resolution.FULL_HD: "1080p",
    Resolution.DRAFT: "Draft",
    Camera.STATIC: "Static",
    Camera.DOLLY_IN: "Dolly in",
    Camera.DOLLY_OUT: "Dolly out",
    Camera.DOLLY_LEFT: "Dolly left",
    Camera.DOLLY_RIGHT: "Dolly right",
    Camera.JIB_UP: "Jib up",
    Camera.JIB_DOWN: "Jib down",
    Camera.NONE: "Free",
    ControlType.DEPTH: "Depth",
    ControlType.CANNY: "Edges",
    ControlType.POSE: "Pose",
    Precision.FP8: "fp8",
    Precision.FULL: "Full",
}


def card(*, allow_draft: bool, surcharges: pricing.Surcharges) -> ModelCard:
    """The card of LTX-2, with the draft tier where it is allowed."""
    sold = [each for each in Resolution if allow_draft or each is not Resolution.DRAFT]
    names = get_args(GenerationRequest.model_fields["model"].annotation)
    return ModelCard(
        aliases=tuple(name for name in names if name != "ltx-2"),
        options=_options(sold),
        rules=_rules(sold),
        credits=tuple(
            Price(quality=quality, resolution=resolution, duration=duration, credits=asked)
            for (quality, resolution, duration), asked in pricing.CREDITS.items()
        ),
        surcharges=surcharges,
    )


def _options(sold: list[Resolution]) -> tuple[Option, ...]:
    seconds = sorted({each for resolution in sold for each in geometry.durations(resolution)})
    return (
        Option(field="prompt", kind="text", label="Prompt", maximum=MAX_PROMPT),
        Option(field="upload_id", kind="image", label="Image", help="The video begins with it. Left out: text only."),
        _choice("quality", "Quality", Quality, help="Pro samples longer and follows the prompt more closely."),
        _choice("resolution", "Resolution", sold),
        Option(
            field="duration",
            kind="choice",
            label="Duration",
            default=_default("duration"),
            choices=tuple(Choice(value=each, label=f"{each} s") for each in seconds),
        ),
        _choice("camera", "Camera", Camera, help="How the camera moves. Free leaves it to the prompt."),
        _toggle("spatial_upscale", "Spatial upscaler", "Half size first, then doubled and refined: finer and quicker."),
        _toggle("temporal_upscale", "Temporal upscaler", "48 instead of 24 frames a second. Adds one short stage."),
        _toggle("detailer", "Detailer", "One more pass for fine texture. Takes longer."),
        _toggle("early_look", "Early look", "A small clip of the first stage while the others still run."),
        _choice("control.type", "Control", ControlType, help="Holds the video to the depth, edges or pose of another."),
        Option(field="control.upload_id", kind="video", label="Reference video", help="Cut or held to the duration."),
        Option(
            field="control.source",
            kind="choice",
            label="Reference",
            choices=(Choice(value="image", label="The image itself"),),
        ),
        _toggle("control.preprocessed", "Already a map", "The reference is a depth, edge or pose map itself."),
        _number("control.strength", "Strength", 0.0, 1.0),
        _number("steps", "Steps", MIN_STEPS, MAX_STEPS, help="Pro only. More steps take longer."),
        _choice("precision", "Precision", Precision, help="Full needs larger GPUs and seldom looks different."),
        _number("seed", "Seed", 0, MAX_SEED, help="The same seed and settings give the same video. Left out: drawn."),
    )


def _rules(sold: list[Resolution]) -> tuple[Rule, ...]:
    seconds = {resolution: geometry.durations(resolution) for resolution in sold}
    return (
        *(
            Rule(
                when={"resolution": (resolution,)},
                field="duration",
                allowed=tuple(legal),
                reason=f"{LABELS[resolution]} lasts {', '.join(map(str, legal))} seconds",
            )
            for resolution, legal in seconds.items()
        ),
        Rule(
            when={"control.type": tuple(ControlType)},
            field="camera",
            allowed=(Camera.STATIC, Camera.NONE),
            reason="a control video fixes the camera already",
        ),
        Rule(when={"quality": (Quality.FAST,)}, field="steps", allowed=(None,), reason="only Pro takes steps"),
        Rule(
            when={"upload_id": (None,)},
            field="control.source",
            allowed=(None,),
            reason="there is no image to take the control from",
        ),
    )


def _default(field: str) -> Value:
    group, _, name = field.rpartition(".")
    found = (Control if group else GenerationRequest).model_fields[name]
    return None if found.is_required() else found.default


def _choice(field: str, label: str, values: Iterable[StrEnum], help: str | None = None) -> Option:  # noqa: A002  the field's own name
    choices = tuple(Choice(value=value, label=LABELS[value]) for value in values)
    return Option(field=field, kind="choice", label=label, default=_default(field), choices=choices, help=help)


def _toggle(field: str, label: str, help: str) -> Option:  # noqa: A002
    return Option(field=field, kind="toggle", label=label, default=_default(field), help=help)


def _number(field: str, label: str, minimum: float, maximum: float, help: str | None = None) -> Option:  # noqa: A002
    return Option(
        field=field, kind="number", label=label, default=_default(field), minimum=minimum, maximum=maximum, help=help
    )
