"""`python -m shared.artifacts setup` and the settings it reads, and the SeaweedFS of the local cloud."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.artifacts import ArtifactStore, S3Settings, setup
from tests.fixtures_s3 import running_seaweed

USABLE = {"bucket": "some-bucket", "access_key_id": "a", "secret_access_key": "hidden"}


def command(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("S3_")}
    return subprocess.run(
        [sys.executable, "-m", "shared.artifacts", "setup"],
        env={**kept, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_makes_the_bucket(s3_settings: S3Settings) -> None:
    done = command(
        {
            "S3_ENDPOINT_URL": str(s3_settings.endpoint_url),
            "S3_BUCKET": s3_settings.bucket,
            "S3_ACCESS_KEY_ID": s3_settings.access_key_id,
            "S3_SECRET_ACCESS_KEY": s3_settings.secret_access_key.get_secret_value(),
        }
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"the bucket {s3_settings.bucket} is ready\n", "")


def test_the_command_names_every_wrong_setting_and_shows_no_value() -> None:
    done = command({"S3_SECRET_ACCESS_KEY": "hidden", "S3_BUCKET": "x", "S3_PART_BYTES": "17"})
    assert done.returncode == 1
    assert {line.split(":")[0] for line in done.stderr.splitlines()[1:]} == {
        "S3_BUCKET",
        "S3_ACCESS_KEY_ID",
        "S3_PART_BYTES",
    }
    assert "hidden" not in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "S3_REGION is needed with AWS"),
        ({"endpoint_url": "http://s3", "days_manifests": 4}, "a manifest that outlives its artifacts"),
    ],
)
def test_settings_that_contradict_each_other(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        S3Settings.model_validate({**USABLE, **change})


def test_the_secret_stays_out_of_reprs() -> None:
    assert "hidden" not in repr(S3Settings.model_validate({**USABLE, "region": "eu-central-1"}))


def test_a_killed_seaweed_comes_back_with_its_data_on_other_ports(tmp_path: Path) -> None:
    ports = []
    for start in range(2):
        with running_seaweed(tmp_path) as server:
            ports.append(server.ports["s3"])
            settings = S3Settings.model_validate(
                {
                    "endpoint_url": server.endpoint_url,
                    "bucket": "kept-bucket",
                    "access_key_id": server.access_key_id,
                    "secret_access_key": server.secret_access_key,
                }
            )
            if start == 0:
                setup(settings)
            with ArtifactStore(settings) as store:
                if start == 0:
                    store.upload_bytes(b"kept", "videos/kept", media_type="video/mp4")
                assert store.head("videos/kept") is not None
    assert ports[0] != ports[1]
    assert (tmp_path / "s3.json").stat().st_mode & 0o077 == 0
