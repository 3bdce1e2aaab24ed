"""Environment -> settings of the gateway. Every variable starts with GATEWAY_."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from local.runpod_gateway.states import Rules

Names = Annotated[tuple[str, ...], NoDecode]  # in the environment: separated by commas


class Settings(BaseSettings):
    """Defaults are those of the real platform where they are known (facts/runpod.md, section A)."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True)

    database_url: str = Field(repr=False)
    host: str = "127.0.0.1"
    port: int = Field(18080, ge=0, le=65535)
    api_keys: Names = Field(min_length=1, repr=False)
    endpoints: Names = ()  # empty: any endpoint id is served

    lease_seconds: float = Field(30, gt=0)  # three default ping intervals of the SDK
    hold_seconds: float = Field(20, gt=0, le=60)  # the SDK drops a poll after 90 s, and a job with it
    max_attempts: int = Field(3, ge=1)  # RunPod documents "automatic retries" but no number
    execution_timeout_ms: int = Field(600_000, gt=0)
    ttl_ms: int = Field(86_400_000, gt=0)
    keep_run_seconds: float = Field(1800, gt=0)
    keep_runsync_seconds: float = Field(60, gt=0)
    webhook_gap_seconds: float = Field(10, gt=0)
    webhook_timeout_seconds: float = Field(10, gt=0)
    sweep_seconds: float = Field(0.5, gt=0)
    worker_gone_seconds: float = Field(45, gt=0)  # unseen for so long: left out of /health
    leaving_seconds: float = Field(60, gt=0)  # a worker that asked to be stopped gets no job for so long

    @field_validator("api_keys", "endpoints", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def rules(self) -> Rules:
        return Rules(
            lease=timedelta(seconds=self.lease_seconds),
            max_attempts=self.max_attempts,
            keep_run=timedelta(seconds=self.keep_run_seconds),
            keep_runsync=timedelta(seconds=self.keep_runsync_seconds),
        )
