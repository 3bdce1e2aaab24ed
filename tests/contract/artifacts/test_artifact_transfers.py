"""What large transfers rely on in an S3: ranges, and versions that are told apart."""

import random
from pathlib import Path
from typing import Any

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect
from shared.artifacts.settings import MIB
from shared.artifacts.transfer import Transfers
from shared.errors import UpstreamError
from tests.contract.artifacts.samples import put_raw

PART = 5 * MIB
BODY = random.Random(5).randbytes(2 * PART + 12345)
"""Three parts."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    return path


def test_a_wrong_bit_in_the_middle_part_is_corrupt(settings: S3Settings, source: Path, tmp_path: Path) -> None:
    with ArtifactStore(settings.model_copy(update={"part_bytes": PART})) as store:
        made = store.upload(source, lambda digest: f"inputs/{digest}", media_type="a/b")
        store.download(made, tmp_path / "good")
        assert (tmp_path / "good").read_bytes() == BODY
        at = PART + PART // 2
        put_raw(settings, made.key, BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :])
        with pytest.raises(UpstreamError, match=r"artifact_corrupt.*has sha256"):
            store.download(made, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_an_object_that_is_overwritten_while_it_is_read(
    settings: S3Settings, source: Path, tmp_path: Path, lacks: set[str]
) -> None:
    with ArtifactStore(settings) as store:
        made = store.upload(source, "latents/x", media_type="a/b")
    client = connect(settings)
    answers: list[object] = []

    def overwrite_once(**_: Any) -> None:
        answers.append(None)
        if len(answers) == 1:
            put_raw(settings, made.key, bytes(len(BODY)))

    client.meta.events.register("after-call.s3.GetObject", overwrite_once)
    transfers = Transfers(client, settings.model_copy(update={"part_bytes": PART, "concurrency": 1}))
    said = "has sha256" if "conditional reads" in lacks else "was overwritten"
    with (tmp_path / "x").open("wb") as file, pytest.raises(UpstreamError, match=rf"artifact_corrupt.*{said}"):
        transfers.download(made, file)
    client.close()
