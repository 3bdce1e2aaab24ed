"""The words of the product, as types. One word per thing; see docs/glossary.md."""

import re
from enum import StrEnum
from typing import Literal

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

CONTRACT_VERSION = 2
"""Raised whenever the meaning of a stage input, a manifest or a `stage_key` changes. 2: latents are bfloat16."""


class Stage(StrEnum):
    BASE_GEN = "base_gen"
    SPATIAL_UPSCALE = "spatial_upscale"
    TEMPORAL_UPSCALE = "temporal_upscale"


class Quality(StrEnum):
    FAST = "fast"
    PRO = "pro"


class Resolution(StrEnum):
    """What is delivered and paid for. `draft` is for debugging and tests; settings keep it off."""

    HD = "720p"
    FULL_HD = "1080p"
    DRAFT = "draft"


class Precision(StrEnum):
    FP8 = "fp8"
    FULL = "full"


class Camera(StrEnum):
    """Camera-motion LoRA; `none` loads none. `static` is a LoRA too: it holds the camera still."""

    STATIC = "static"
    DOLLY_IN = "dolly_in"
    DOLLY_OUT = "dolly_out"
    DOLLY_LEFT = "dolly_left"
    DOLLY_RIGHT = "dolly_right"
    JIB_UP = "jib_up"
    JIB_DOWN = "jib_down"
    NONE = "none"


class ControlType(StrEnum):
    """What of a control video is kept, by an IC-LoRA: `shared/controls.py` has a row for each."""

    DEPTH = "depth"
    CANNY = "canny"
    POSE = "pose"


class TextEncoder(StrEnum):
    """Which form of Gemma reads the prompt. Both are the same 12B model; their files, and so the numbers, differ.

    `single`: one file that anybody may fetch, in either precision. `folder`: the gated original in five shards,
    which only LTXVideo's own loader reads (facts/comfyui.md section 2).
    """

    SINGLE = "single"
    FOLDER = "folder"


Ending = Literal["latents", "video"]
"""How a stage ends: the last stage of a plan decodes to a video, every other one hands over latents."""

Sha256 = str
"""64 lower-case hex digits."""


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise PydanticCustomError("unstorable", "may hold neither NUL characters nor lone surrogates")
    return text


STORABLE = AfterValidator(_storable)
"""For text from outside. Postgres refuses NUL and lone surrogates: better said here than found there."""


class Frozen(BaseModel):
    """Strict, immutable, and closed: an unknown field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
