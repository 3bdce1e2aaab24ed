"""Environment -> who we are at RunPod. Every variable starts with RUNPOD_."""

from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import UserError


class DeploySettings(BaseSettings):
    """Of `python -m deploy`: exactly one of the two forms of the key."""

    model_config = SettingsConfigDict(
        env_prefix="RUNPOD_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    api_key: SecretStr | None = None
    """One that may read and write the account's resources; not the orchestrator's, which needs only its endpoints."""
    api_key_file: Path | None = None
    """A file that holds it, instead."""
    rest_url: HttpUrl = HttpUrl("https://api.runpod.io/v2")
    """Page api-reference-v2/overview. Plain http only on this machine."""
    rest_seconds: float = Field(default=300, gt=0)
    """For one command as a whole."""
    rest_wait_seconds: float = Field(default=1.0, gt=0)
    """After the first failure of a request; doubles, with jitter, up to a minute. Retry-After is kept up to it too."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if (self.api_key is None) == (self.api_key_file is None):
            raise ValueError("set exactly one of RUNPOD_API_KEY and RUNPOD_API_KEY_FILE")
        if self.rest_url.scheme != "https" and self.rest_url.host not in {"127.0.0.1", "localhost"}:
            raise ValueError("RUNPOD_REST_URL must be https: the API key travels over it")
        return self

    def key(self) -> str:
        """UserError when there is none. Never to be logged."""
        if self.api_key_file is None:
            text = self.api_key.get_secret_value() if self.api_key else ""
        else:
            try:
                text = self.api_key_file.read_text(encoding="utf-8")
            except OSError as error:
                said = f"RUNPOD_API_KEY_FILE cannot be read ({error.strerror}): {self.api_key_file}"
                raise UserError("invalid_input", said) from error
        text = text.strip()
        if not text or not text.isascii() or not text.isprintable():
            raise UserError("invalid_input", "the API key is empty, or holds what no key holds")
        return text


def load() -> DeploySettings:
    """UserError names what is wrong with the environment, without its values."""
    try:
        return DeploySettings()
    except ValidationError as error:
        rows = error.errors(include_url=False, include_input=False, include_context=False)
        said = "; ".join(row["msg"].removeprefix("Value error, ") for row in rows)
        raise UserError("invalid_input", f"the environment is not usable: {said}") from None
