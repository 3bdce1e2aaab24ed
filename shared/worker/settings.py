"""Environment -> what this worker has to be able to do. Every variable starts with WORKER_."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.contracts.vocabulary import Precision, TextEncoder


class WorkerSettings(BaseSettings):
    """What its ComfyUI must hold before it takes a job."""

    model_config = SettingsConfigDict(env_prefix="WORKER_", env_ignore_empty=True, frozen=True)

    precisions: Annotated[tuple[Precision, ...], NoDecode] = Field((Precision.FP8,), min_length=1)
    """Separated by commas: `fp8`, `full`. Without their files the worker takes no job."""
    text_encoder: TextEncoder = TextEncoder.SINGLE
    """The form of Gemma on this machine's disk; the same as the orchestrator's `TEXT_ENCODER`."""
    partial: bool = False
    """Take jobs even if model files are missing, which is then only logged: for a developer's own ComfyUI."""

    @field_validator("precisions", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
