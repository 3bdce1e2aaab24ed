"""Environment -> typed settings. A wrong environment stops the start with one message that names every problem."""

import base64
import binascii
import os
from collections import Counter
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator.pricing import Surcharges
from shared.artifacts import S3Settings
from shared.contracts.artifact import Digest
from shared.contracts.vocabulary import Frozen, Stage, TextEncoder
from shared.fetcher import FetchSettings

RUNPOD_BASE_URL = "https://api.runpod.ai/v2"
"""facts/runpod.md section A."""

WEBHOOK_PREFIX = "whsec_"
MAX_WEBHOOK_SECRETS = 2  # the active one, and the one it replaces while receivers change over
MAX_KEYS_OF_A_NAME = 2  # so too


class ApiKey(Frozen):
    """Who may call us. The key itself is never stored: only its sha256."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    sha256: Digest
    debug: bool = False
    """May also send raw stage inputs past plan and price (`/api/stages`), and read /metrics."""
    metrics: bool = False
    """May read /metrics, and nothing else."""
    admin: bool = False
    """May read /api/admin, so the state of everybody's generations (but no prompt), and nothing else."""


ROLES = ("debug", "metrics", "admin")


class SettingsError(Exception):
    """The environment is not usable; the message names every variable that has to change."""


class Settings(BaseSettings):
    """Everything that differs between two places where the orchestrator runs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["production", "local"] = "production"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    secrets_dir: Path | None = None
    """A folder of files, each named as a variable and holding its value, as containers mount secrets. What the
    environment says counts first."""

    database_url: SecretStr
    database_pool: int = Field(default=12, ge=4, le=200)

    runpod_api_key: SecretStr
    runpod_endpoint_base_url: HttpUrl = HttpUrl(RUNPOD_BASE_URL)
    runpod_base_gen_endpoint_id: str = Field(min_length=1)
    runpod_spatial_upscale_endpoint_id: str = Field(min_length=1)
    runpod_temporal_upscale_endpoint_id: str = Field(min_length=1)

    runpod_base_gen_large_endpoint_id: str | None = Field(default=None, min_length=1)
    """Larger machines: where a run that ran out of memory or disk is tried once more; so for the other two stages."""
    runpod_spatial_upscale_large_endpoint_id: str | None = Field(default=None, min_length=1)
    runpod_temporal_upscale_large_endpoint_id: str | None = Field(default=None, min_length=1)

    public_url: AnyHttpUrl | None = None
    """Where RunPod reaches us with its webhooks; without it we learn everything by polling."""
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(min_length=1)
    """`name:sha256hex`, `name:sha256hex:debug` (may also send raw stage inputs and read /metrics),
    `name:sha256hex:metrics` (may only read /metrics) or `name:sha256hex:admin` (may only read /api/admin, for the page
    at /admin); separated by commas or white space. While a key changes over, its name stands twice: with the new key
    and the old one, both of which see the same generations."""
    rate_per_second: float = Field(default=20, gt=0)
    """Requests of one key, in the long run and over all replicas; above it, 429."""
    rate_burst: int = Field(default=100, ge=1)
    """Requests that one key may make at once after a silence."""
    in_flight_limit: int = Field(default=200, ge=1)
    """Generations of one key that have not ended; above it, 429. Bounds what a leaked key can burn."""
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(default=(), max_length=MAX_WEBHOOK_SECRETS)
    """`whsec_<base64>` of Standard Webhooks, newest first; without one no `webhook_url` is accepted."""

    webhook_shape: Literal["standard", "runpod"] = "standard"
    """Of the bodies: Standard Webhooks events, or what RunPod's own webhooks look like; signed alike."""
    webhook_progress: bool = False
    """Also send `generation.progress`, at each turn of a stage and each tenth of the way; dropped if slow."""

    surcharge_spatial_upscale: int = Field(default=0, ge=0, le=10_000)
    """Credits that this enhancement adds to the table's price of a generation; so for the other three."""
    surcharge_temporal_upscale: int = Field(default=0, ge=0, le=10_000)
    surcharge_detailer: int = Field(default=0, ge=0, le=10_000)
    surcharge_control: int = Field(default=0, ge=0, le=10_000)

    allow_draft: bool = False
    allow_http_urls: bool = False
    """For users' URLs: plain http, any port, and addresses of this machine. Only for the local cloud."""

    text_encoder: TextEncoder = TextEncoder.SINGLE
    """The form of Gemma that base_gen's machines have on disk: `single` (one file) or `folder` (gated, five shards)."""

    presign_seconds: int = Field(default=3600, ge=60, le=7 * 24 * 3600)
    upload_seconds: int = Field(default=900, ge=60, le=24 * 3600)

    poll_seconds_min: float = Field(default=1.0, gt=0)
    poll_seconds_max: float = Field(default=15.0, gt=0)
    """RunPod forgets a result 30 minutes after the end (facts/runpod.md section 0)."""
    retry_seconds: float = Field(default=1.0, gt=0)
    """First wait of a task that could not reach RunPod or a webhook; it doubles up to `retry_seconds_max`."""
    retry_seconds_max: float = Field(default=300.0, gt=0)
    submit_tries: int = Field(default=6, ge=1)
    keep_days: int = Field(default=30, ge=1)
    """How long a generation is known after its end, with its events and idempotency key; its video: S3_DAYS_VIDEOS."""
    delivery_tries: int = Field(default=12, ge=1)
    """With 1 s doubling to 300 s: about half an hour before a webhook is given up."""
    socket_seconds: float = Field(default=600, gt=0)
    """Longest life of a progress socket; clients reconnect with `?after=`."""
    heartbeat_seconds: float = Field(default=30, gt=0)

    s3: S3Settings = Field(default_factory=S3Settings)
    fetch: FetchSettings = Field(default_factory=FetchSettings)

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = []
        for entry in value.replace(",", " ").split():
            name, digest, role = [*entry.split(":"), "", ""][:3]
            if role not in {"", *ROLES} or entry.count(":") > 2:
                raise ValueError(f"the key {name!r} is not name:sha256hex, nor that with :debug, :metrics or :admin")
            keys.append({"name": name, "sha256": digest.lower(), **{each: role == each for each in ROLES}})
        return keys

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("webhook_secrets")
    @classmethod
    def _secrets_decode(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            text = secret.get_secret_value()
            try:
                long_enough = len(base64.b64decode(text.removeprefix(WEBHOOK_PREFIX), validate=True)) >= 24
            except binascii.Error:
                long_enough = False
            if not text.startswith(WEBHOOK_PREFIX) or not long_enough:
                raise ValueError("each secret is whsec_ and the base64 of at least 24 bytes")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_keys()
        if self.poll_seconds_min > self.poll_seconds_max:
            raise ValueError("POLL_SECONDS_MIN is larger than POLL_SECONDS_MAX")
        if self.webhook_progress and self.webhook_shape == "runpod":
            raise ValueError("WEBHOOK_PROGRESS: RunPod's shape has no word for progress; leave one of the two out")
        if self.environment == "production":
            if self.allow_http_urls or self.fetch.allow_http or self.fetch.allow_any_port or self.fetch.allow_networks:
                raise ValueError(
                    "ALLOW_HTTP_URLS and FETCH_ALLOW_* are for ENVIRONMENT=local: they let users reach inner addresses"
                )
            if self.allow_draft:
                raise ValueError("ALLOW_DRAFT is for ENVIRONMENT=local: drafts cost no credits")
        return self

    def _check_keys(self) -> None:
        if len({key.sha256 for key in self.api_keys}) != len(self.api_keys):
            raise ValueError("API_KEYS: the same key stands there twice")
        for name, count in Counter(key.name for key in self.api_keys).items():
            if count > MAX_KEYS_OF_A_NAME:
                raise ValueError(f"API_KEYS: more than {MAX_KEYS_OF_A_NAME} keys have the name {name!r}")
            if len({(key.debug, key.metrics, key.admin) for key in self.api_keys if key.name == name}) > 1:
                raise ValueError(f"API_KEYS: the two keys of the name {name!r} have different roles")

    @property
    def endpoints(self) -> dict[Stage, str]:
        return {
            Stage.BASE_GEN: self.runpod_base_gen_endpoint_id,
            Stage.SPATIAL_UPSCALE: self.runpod_spatial_upscale_endpoint_id,
            Stage.TEMPORAL_UPSCALE: self.runpod_temporal_upscale_endpoint_id,
        }

    @property
    def large_endpoints(self) -> dict[Stage, str]:
        """Only of the stages that have one."""
        named = {
            Stage.BASE_GEN: self.runpod_base_gen_large_endpoint_id,
            Stage.SPATIAL_UPSCALE: self.runpod_spatial_upscale_large_endpoint_id,
            Stage.TEMPORAL_UPSCALE: self.runpod_temporal_upscale_large_endpoint_id,
        }
        return {stage: endpoint for stage, endpoint in named.items() if endpoint}

    def endpoint(self, stage: Stage, chosen: str | None) -> str:
        """Where a stage run is or will be: what its row says, else the stage's usual endpoint."""
        return chosen or self.endpoints[stage]

    @property
    def surcharges(self) -> Surcharges:
        return Surcharges(
            spatial_upscale=self.surcharge_spatial_upscale,
            temporal_upscale=self.surcharge_temporal_upscale,
            detailer=self.surcharge_detailer,
            control=self.surcharge_control,
        )

    @property
    def refuse_preview(self) -> bool:
        """Stand-in pictures of the preview engine are never sold."""
        return self.environment == "production"

    @property
    def fetching(self) -> FetchSettings:
        """How users' URLs are fetched."""
        if not self.allow_http_urls:
            return self.fetch
        loopback = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
        return self.fetch.model_copy(update={"allow_http": True, "allow_any_port": True, "allow_networks": loopback})


def load() -> Settings:
    """The settings of this process; SettingsError lists all that is wrong, without showing any value."""
    problems: list[str] = []
    folder = os.environ.get("SECRETS_DIR")
    if folder is not None and not Path(folder).is_dir():
        problems.append("SECRETS_DIR: there is no such folder")
        folder = None
    s3, fetch = S3Settings.model_construct(), FetchSettings.model_construct()
    # read one by one, so that a broken group does not hide the problems of the others
    try:
        s3 = S3Settings(_secrets_dir=folder)
    except ValidationError as error:
        problems += _problems(error, prefix="S3_")
    try:
        fetch = FetchSettings()
    except ValidationError as error:
        problems += _problems(error, prefix="FETCH_")
    try:
        settings = Settings(s3=s3, fetch=fetch, _secrets_dir=folder)
    except ValidationError as error:
        own = [line for line in _problems(error, prefix="") if not line.startswith(("S3:", "FETCH:"))]
        raise _unusable(own + problems) from None  # the error's own text shows values
    if problems:
        raise _unusable(problems)
    return settings


def _unusable(problems: list[str]) -> SettingsError:
    return SettingsError("the environment is not usable:\n" + "\n".join(f"  - {line}" for line in problems))


def _problems(error: ValidationError, *, prefix: str) -> list[str]:
    found = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        name = prefix + str(item["loc"][0]).upper() if item["loc"] else ""
        said = "is missing" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
        found.append(f"{name}: {said}" if name else said)
    return found
