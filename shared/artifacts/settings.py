"""Where the bucket is and who we are there: environment variables `S3_*`."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class S3Settings(BaseSettings):
    """Any S3: AWS (no endpoint, a region), Cloudflare R2 (endpoint, region `auto`), SeaweedFS, MinIO."""

    model_config = SettingsConfigDict(env_prefix="S3_", frozen=True, extra="ignore")

    endpoint_url: str | None = None
    """None means AWS."""
    public_endpoint_url: str | None = None
    """The host in presigned URLs, where users reach the bucket under another name than we do."""
    region: str = "auto"
    """`auto` is R2's word and what SeaweedFS accepts; AWS needs the real one."""
    bucket: str = Field(min_length=3, max_length=63)
    access_key_id: str
    secret_access_key: SecretStr
    path_style: bool = True
    """`endpoint/bucket/key`; off gives `bucket.endpoint/key`, as AWS prefers."""
    checksums: Literal["when_supported", "when_required"] = "when_supported"
    """CRC32 of each part, checked by the server; `when_required` for servers that refuse the header. Our own
    sha256 is checked in either case."""

    concurrency: int = Field(default=8, ge=1, le=64)
    """Parts in flight of one transfer."""
    part_bytes: int = Field(default=16 * MIB, ge=5 * MIB)
    """5 MiB is S3's own minimum; larger objects travel in parts, in parallel."""
    attempts: int = Field(default=4, ge=1, le=10)
    """Tries of one request, with botocore's jittered exponential backoff between them."""
    connect_seconds: float = Field(default=5, gt=0)
    read_seconds: float = Field(default=60, gt=0)

    days_latents: int = Field(default=3, ge=1)
    days_manifests: int = Field(default=3, ge=1)
    days_videos: int = Field(default=30, ge=1)
    days_inputs: int = Field(default=7, ge=1)
    cors_origins: tuple[str, ...] = ()
    """Web origins whose pages may PUT to presigned URLs; `setup` writes them as the bucket's CORS rule."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if self.endpoint_url is not None and not re.match(r"https?://[^/\s]+", self.endpoint_url):
            raise ValueError("S3_ENDPOINT_URL has to begin with https:// or http://, and to name a host")
        if self.endpoint_url is None and self.region == "auto":
            raise ValueError("S3_REGION is needed with AWS (no S3_ENDPOINT_URL is set)")
        if self.days_manifests > min(self.days_latents, self.days_videos):
            raise ValueError(
                "S3_DAYS_MANIFESTS may not exceed S3_DAYS_LATENTS or S3_DAYS_VIDEOS: a manifest that outlives "
                "its artifacts says that work is done which is gone"
            )
        return self
