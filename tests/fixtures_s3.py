"""Real S3 servers for tests: SeaweedFS once per session, and a fresh bucket for each test that asks."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.seaweed import Identity, Seaweed, seaweed
from shared.artifacts import S3Settings, setup
from shared.artifacts.client import connect
from shared.comfy.process import TETHER

START_SECONDS = 30


@contextmanager
def running(argv: list[str], *, ready: Callable[[], bool], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process in a group of its own, up when the block begins and gone when it ends, or when we are killed."""
    tied = [sys.executable, str(TETHER), str(os.getpid()), *argv]
    with log.open("ab") as output:
        process = subprocess.Popen(tied, stdout=output, stderr=output, start_new_session=True)
        try:
            waiting = Retrying(
                stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.05), retry=retry_if_result(lambda up: not up)
            )
            waiting(lambda: ready() or _died(process, log))
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _died(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{process.args!r} ended at once:\n{log.read_text(errors='replace')[-2000:]}")
    return False


@contextmanager
def running_seaweed(folder: Path, identities: tuple[Identity, ...] = ()) -> Iterator[Seaweed]:
    server = seaweed(
        folder, access_key_id="mivo-tests", secret_access_key="a secret of the tests", identities=identities
    )
    try:
        with running(server.argv, ready=server.ready, log=folder / "weed.log"):
            yield server
    finally:
        server.sweep()


@contextmanager
def fresh_bucket(settings: S3Settings) -> Iterator[S3Settings]:
    """The same server with a bucket that exists only inside the block."""
    settings = settings.model_copy(update={"bucket": f"test-{uuid.uuid4().hex}"})
    client = connect(settings)
    try:
        client.create_bucket(Bucket=settings.bucket)
        yield settings
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=settings.bucket, Key=found["Key"])
        client.delete_bucket(Bucket=settings.bucket)
    finally:
        client.close()


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with running_seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweed_settings(seaweed_server: Seaweed) -> S3Settings:
    """Endpoint and keys; its bucket is a name only, made by nobody."""
    return S3Settings(
        endpoint_url=seaweed_server.endpoint_url,
        bucket="unmade",
        access_key_id=seaweed_server.access_key_id,
        secret_access_key=seaweed_server.secret_access_key,
        attempts=2,
    )


@pytest.fixture
def s3_settings(seaweed_settings: S3Settings) -> Iterator[S3Settings]:
    """A bucket of its own for one test, set up as in production."""
    with fresh_bucket(seaweed_settings) as settings:
        setup(settings)
        yield settings
