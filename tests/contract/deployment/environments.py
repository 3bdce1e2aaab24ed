"""What the orchestrator's settings make of the environment that a deployment gives it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.settings import Settings, load
from shared.artifacts import S3Settings
from shared.fetcher import FetchSettings

KNOWN = frozenset(
    f"{kind.model_config.get('env_prefix') or ''}{name}".upper()
    for kind in (Settings, S3Settings, FetchSettings)
    for name in kind.model_fields
)
"""Variables that the orchestrator reads."""
SECRETS = {
    "DATABASE_URL": "postgresql://ltx2:not-a-password@postgres:5432/ltx2",  # pragma: allowlist secret
    "RUNPOD_API_KEY": "not-a-key",  # pragma: allowlist secret
    "API_KEYS": f"mivo:{hashlib.sha256(b'no key').hexdigest()}",
    "WEBHOOK_SECRETS": "whsec_" + "QUJD" * 8,  # pragma: allowlist secret
    "S3_ACCESS_KEY_ID": "not-an-id",
    "S3_SECRET_ACCESS_KEY": "not-a-key",  # pragma: allowlist secret
}
"""Of the orchestrator, in a form that it takes."""


def settings_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, variables: Mapping[str, str], secrets: set[str]
) -> Settings:
    """The settings of a process with these variables, and with each of these secrets as a file in `folder`."""
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in secrets:
        (folder / name).write_text(f"{SECRETS[name]}\n")
    monkeypatch.setenv("SECRETS_DIR", str(folder))
    return load()
