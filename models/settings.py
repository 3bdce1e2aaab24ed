"""Environment -> where weights come from and how patiently they are fetched. Every variable starts with MODELS_."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import FatalError

Base = Annotated[str, AfterValidator(lambda text: str(HttpUrl(text)).rstrip("/"))]


class Check(StrEnum):
    """How far a file that is there is trusted."""

    NONE = "none"
    SIZES = "sizes"
    HASHES = "hashes"


class ModelsSettings(BaseSettings):
    """Sources are asked in this order: the target folder, the volume, the hub's cache, the hub, the mirror."""

    model_config = SettingsConfigDict(
        env_prefix="MODELS_", env_ignore_empty=True, frozen=True, extra="ignore", validate_default=True
    )

    volume: Path = Path("/runpod-volume/models")
    """A network volume laid out like ComfyUI's models/. What lies there is linked, never copied."""
    hub_cache: Path = Path("/runpod-volume/huggingface-cache/hub")
    """Where RunPod puts cached models (facts/ltx2.md section 5.5). Linked as well."""
    hub: Base = "https://huggingface.co"
    mirror: Base | None = None
    """`<mirror>/<folder>/<name>`; asked when the hub cannot give a file. Gets no token."""
    token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("HF_TOKEN", "MODELS_TOKEN"))
    """The hub's, for gated repositories: HF_TOKEN."""
    token_file: Path | None = Field(default=None, validation_alias=AliasChoices("HF_TOKEN_FILE", "MODELS_TOKEN_FILE"))
    """A file that holds it, instead: HF_TOKEN_FILE."""
    check: Check = Check.SIZES
    """Of files that are there already: `sizes` (and the header's own arithmetic), `hashes` reads them whole, `none`
    takes anything, as tiny test weights need. What is downloaded is always hashed."""
    connections: int = Field(default=8, ge=1, le=64)
    """At once, over all files."""
    segment_bytes: int = Field(default=64 << 20, ge=1 << 10)
    """What one request asks for, and what a kill may cost of a file."""
    tries: int = Field(default=6, ge=1)
    """In a row without a byte; every byte that comes starts the count anew."""
    wait_seconds: float = Field(default=1.0, gt=0)
    """After the first failure; doubles, with jitter, up to `wait_seconds_max`. Retry-After is kept up to it too."""
    wait_seconds_max: float = Field(default=60.0, gt=0)
    silence_seconds: float = Field(default=30.0, gt=0)
    slow_bytes_per_second: int = Field(default=100_000, ge=0)
    """A connection that is slower for `slow_seconds` is given up and opened anew."""
    slow_seconds: float = Field(default=20.0, gt=0)
    seconds: float = Field(default=3600.0, gt=0)
    """For everything, waiting for another process included."""
    spare_bytes: int = Field(default=1 << 30, ge=0)
    """Of disk that must be left over."""

    def secret(self) -> SecretStr | None:
        """The hub's token, if there is one. FatalError when its file cannot be read."""
        if self.token is not None or self.token_file is None:
            return self.token
        try:
            return SecretStr(self.token_file.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise FatalError(
                "model_missing", f"HF_TOKEN_FILE cannot be read ({error.strerror}): {self.token_file}"
            ) from error
