"""The S3 servers that the same tests run against: two that are very different, and one that you name."""

import os
import socket
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.ports import HOST, free_ports
from tests.fixtures_s3 import fresh_bucket, running

GIVEN = "CONTRACT_S3_"
"""Set CONTRACT_S3_ENDPOINT_URL, _REGION, _BUCKET, _ACCESS_KEY_ID, _SECRET_ACCESS_KEY to test a real R2 or AWS."""
SERVERS = ["seaweedfs", "rclone", *(["given"] if f"{GIVEN}BUCKET" in os.environ else [])]


@pytest.fixture(scope="session")
def rclone_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    folder = tmp_path_factory.mktemp("rclone")
    (port,) = free_ports(1)
    address = (HOST, port)
    binary = str(Path(sysconfig.get_path("scripts")) / "rclone")
    key, secret = "mivo-tests", "a-secret-of-the-tests"  # pragma: allowlist secret
    (folder / "rclone.conf").touch()
    argv = [
        *(binary, "serve", "s3", "--config", str(folder / "rclone.conf"), "--addr", f"{HOST}:{port}"),
        *("--auth-key", f"{key},{secret}", "--vfs-cache-mode", "off", str(folder)),
    ]

    def ready() -> bool:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            return False
        return True

    with running(argv, ready=ready, log=folder / "rclone.log"):
        yield S3Settings.model_validate(
            {
                "endpoint_url": f"http://{HOST}:{port}",
                "bucket": "unmade",
                "access_key_id": key,
                "secret_access_key": secret,
                "attempts": 2,
            }
        )


@pytest.fixture(params=SERVERS, scope="session")
def server(request: pytest.FixtureRequest) -> S3Settings:
    match request.param:
        case "seaweedfs":
            settings = request.getfixturevalue("seaweed_settings")
        case "rclone":
            settings = request.getfixturevalue("rclone_settings")
        case _:
            settings = S3Settings(_env_prefix=GIVEN)
    assert isinstance(settings, S3Settings)
    return settings


@pytest.fixture
def settings(server: S3Settings) -> Iterator[S3Settings]:
    with fresh_bucket(server) as settings:
        yield settings


@pytest.fixture
def store(settings: S3Settings) -> Iterator[ArtifactStore]:
    with ArtifactStore(settings) as store:
        yield store


@pytest.fixture
def lacks(request: pytest.FixtureRequest) -> set[str]:
    """What the server of this test cannot do."""
    rclone = request.node.callspec.params["server"] == "rclone"
    return {"conditional writes", "conditional reads", "lifecycle rules", "cors rules"} if rclone else set()
