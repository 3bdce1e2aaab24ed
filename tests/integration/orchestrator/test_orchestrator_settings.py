import hashlib
from pathlib import Path

import pytest

from orchestrator.settings import ROLES, SettingsError, load

DIGEST = hashlib.sha256(b"a key").hexdigest()
GOOD = {
    "DATABASE_URL": "postgresql://user:database-password@db/x",  # pragma: allowlist secret
    "RUNPOD_API_KEY": "runpod-secret",  # pragma: allowlist secret
    **{f"RUNPOD_{stage}_ENDPOINT_ID": "abc" for stage in ("BASE_GEN", "SPATIAL_UPSCALE", "TEMPORAL_UPSCALE")},
    "API_KEYS": f"mivo:{DIGEST},studio:{'b' * 64}:debug,prom:{'c' * 64}:metrics ops:{'d' * 64}:admin",
    "S3_BUCKET": "mivo",
    "S3_ENDPOINT_URL": "https://s3.example",
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "storage-secret",  # pragma: allowlist secret
}
SECRET_WORDS = ("database-password", "runpod-secret", "storage-secret", "whsec_broken")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_a_good_environment_is_read() -> None:
    settings = load()
    assert settings.environment == "production"
    roles = {key.name: {role for role in ROLES if getattr(key, role)} for key in settings.api_keys}
    assert roles == {"mivo": set(), "studio": {"debug"}, "prom": {"metrics"}, "ops": {"admin"}}
    assert str(settings.runpod_endpoint_base_url) == "https://api.runpod.ai/v2"
    assert not settings.fetching.allow_http
    assert all(secret not in repr(settings) for secret in SECRET_WORDS)


def test_secrets_may_come_as_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = ("DATABASE_URL", "RUNPOD_API_KEY", "API_KEYS", "S3_SECRET_ACCESS_KEY")
    for name in secret:
        (tmp_path / name).write_text(f"{GOOD[name]}\n")
        environment.delenv(name)
    (tmp_path / "S3_BUCKET").write_text("another")
    environment.setenv("SECRETS_DIR", str(tmp_path))
    settings = load()
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert settings.runpod_api_key.get_secret_value() == GOOD["RUNPOD_API_KEY"]
    assert settings.s3.secret_access_key.get_secret_value() == GOOD["S3_SECRET_ACCESS_KEY"]
    assert [key.name for key in settings.api_keys] == ["mivo", "studio", "prom", "ops"]
    assert settings.s3.bucket == "mivo", "the environment counts first"


def test_a_folder_of_secrets_that_is_not_there_stops_the_start(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    environment.delenv("RUNPOD_API_KEY")
    with pytest.raises(SettingsError) as raised:
        load()
    assert {"SECRETS_DIR: there is no such folder", "RUNPOD_API_KEY: is missing"} <= {
        line.removeprefix("  - ") for line in str(raised.value).splitlines()
    }


def test_every_problem_is_named_at_once_and_no_value_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.delenv("S3_BUCKET")
    environment.setenv("RUNPOD_ENDPOINT_BASE_URL", "not a url")
    environment.setenv("API_KEYS", "mivo:the-key-itself-by-mistake")
    environment.setenv("WEBHOOK_SECRETS", "whsec_broken")
    environment.setenv("PORT", "99999")
    environment.setenv("FETCH_SECONDS", "-1")
    with pytest.raises(SettingsError) as raised:
        load()
    said = str(raised.value)
    for name in (
        "DATABASE_URL: is missing",
        "S3_BUCKET: is missing",
        "RUNPOD_ENDPOINT_BASE_URL",
        "API_KEYS",
        "WEBHOOK_SECRETS",
        "PORT",
        "FETCH_SECONDS",
    ):
        assert name in said, said
    assert all(secret not in said for secret in (*SECRET_WORDS, "the-key-itself"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALLOW_DRAFT", "true", "ENVIRONMENT=local"),
        ("ALLOW_HTTP_URLS", "true", "ENVIRONMENT=local"),
        ("FETCH_ALLOW_HTTP", "true", "ENVIRONMENT=local"),
        ("FETCH_ALLOW_NETWORKS", '["10.0.0.0/8"]', "ENVIRONMENT=local"),
        ("API_KEYS", f"mivo:{DIGEST} other:{DIGEST}", "twice"),
        ("API_KEYS", " ".join(f"mivo:{digit * 64}" for digit in "abc"), "more than 2"),
        ("API_KEYS", f"mivo:{'a' * 64} mivo:{'b' * 64}:debug", "different roles"),
        ("API_KEYS", f"mivo:{'a' * 64} mivo:{'b' * 64}:admin", "different roles"),
        ("API_KEYS", f"mivo:{DIGEST}:root", "name:sha256hex"),
        ("API_KEYS", f"mivo:{DIGEST}:debug:metrics", "name:sha256hex"),
        ("API_KEYS", "", "API_KEYS"),
        ("RATE_PER_SECOND", "0", "RATE_PER_SECOND"),
        ("IN_FLIGHT_LIMIT", "0", "IN_FLIGHT_LIMIT"),
        ("WEBHOOK_SECRETS", " ".join(["whsec_" + "QUJD" * 8] * 3), "WEBHOOK_SECRETS"),
        ("POLL_SECONDS_MIN", "60", "POLL_SECONDS_MIN"),
        ("WEBHOOK_SHAPE", "svix", "WEBHOOK_SHAPE"),
        ("SURCHARGE_DETAILER", "-1", "SURCHARGE_DETAILER"),
    ],
)
def test_what_is_unsafe_or_senseless_stops_the_start(
    environment: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load()


def test_runpods_shape_has_no_word_for_progress(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WEBHOOK_PROGRESS", "true")
    assert load().webhook_progress
    environment.setenv("WEBHOOK_SHAPE", "runpod")
    with pytest.raises(SettingsError, match="WEBHOOK_PROGRESS"):
        load()


def test_local_may_reach_this_machine_and_nothing_else(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENVIRONMENT", "local")
    environment.setenv("ALLOW_HTTP_URLS", "true")
    networks = {str(network) for network in load().fetching.allow_networks}
    assert networks == {"127.0.0.0/8", "::1/128"}
