"""Environment -> what this worker has to be able to do. Every variable starts with WORKER_."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.contracts.vocabulary import Precision, Quality, TextEncoder


class Option(StrEnum):
    """What needs weights of its own beside the checkpoint."""

    CAMERA = "camera"
    CONTROL = "control"
    DETAILER = "detailer"


class WorkerSettings(BaseSettings):
    """What its ComfyUI must hold before it takes a job."""

    model_config = SettingsConfigDict(env_prefix="WORKER_", env_ignore_empty=True, frozen=True)

    precisions: Annotated[tuple[Precision, ...], NoDecode] = Field((Precision.FP8,), min_length=1)
    """Separated by commas: `fp8`, `full`. Without their files the worker takes no job."""
    qualities: Annotated[tuple[Quality, ...], NoDecode] = Field(tuple(Quality), min_length=1)
    """`fast`, `pro`: an image without the weights of one of them says so here. Send such requests elsewhere."""
    options: Annotated[tuple[Option, ...], NoDecode] = tuple(Option)
    """`camera`, `control`, `detailer`: those whose weights are there."""
    text_encoder: TextEncoder = TextEncoder.SINGLE
    """The form of Gemma on this machine's disk; the same as the orchestrator's `TEXT_ENCODER`."""
    partial: bool = False
    """Take jobs even if model files are missing, which is then only logged, and jobs of every kind: for a developer's
    own ComfyUI, and for the preview engine, which has no weights."""
    least_vram_gb: float | None = Field(default=None, ge=0)
    """GPU memory below which a worker does not start, in 10^9 bytes. None: what the stage wants at its precisions, 44
    for fp8, 75 for full, 22 for temporal_upscale; 0 tries any."""
    warm_up_seconds: float = Field(default=0.0, ge=0)
    """The most that a tiny job may take before the first real one, with the first quality and precision of above, so
    that no user waits or pays for reading weights; 0 leaves it out. The images say 240."""

    @field_validator("precisions", "qualities", "options", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
