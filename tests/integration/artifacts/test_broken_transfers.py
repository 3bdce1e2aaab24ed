"""Transfers that break, lie, or move what changes meanwhile: found, named, and no byte hashed or written twice."""

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.settings import MIB
from shared.contracts.artifact import Artifact
from shared.errors import FatalError, TransientError, UpstreamError
from tests.integration.artifacts.broken_s3 import BrokenS3, broken_s3

PART = 5 * MIB
BODY = random.Random(3).randbytes(2 * PART + 12345)
"""Three parts."""


@pytest.fixture
def s3() -> Iterator[BrokenS3]:
    with broken_s3() as server:
        server.body = BODY
        yield server


@pytest.fixture
def store(s3: BrokenS3) -> Iterator[ArtifactStore]:
    settings = S3Settings.model_validate(
        {
            "endpoint_url": f"http://127.0.0.1:{s3.port}",
            "bucket": "bucket",
            "access_key_id": "a",
            "secret_access_key": "b",
            "part_bytes": PART,
            "concurrency": 2,
            "attempts": 2,
        }
    )
    with ArtifactStore(settings) as store:
        yield store


def artifact(body: bytes = BODY) -> Artifact:
    return Artifact(key="latents/x", sha256=hashlib.sha256(body).hexdigest(), bytes=len(body), media_type="a/b")


class TestDownload:
    def test_one_request_a_part_and_all_of_one_version(
        self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path
    ) -> None:
        store.download(artifact(), tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == BODY
        assert [(asked.verb, asked.range, asked.if_match) for asked in sorted(s3.asked, key=str)] == [
            ("GET", f"bytes=0-{PART - 1}", None),
            ("GET", f"bytes={2 * PART}-{len(BODY) - 1}", '"old"'),
            ("GET", f"bytes={PART}-{2 * PART - 1}", '"old"'),
        ]

    @pytest.mark.parametrize("cut", [0, 3 * MIB + 7, PART - 1])
    @pytest.mark.parametrize("parts", [1, 3])
    def test_a_body_that_ends_early_goes_on_where_it_ended(
        self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path, *, cut: int, parts: int
    ) -> None:
        s3.body = BODY[:PART] if parts == 1 else BODY
        s3.cuts.append(cut)
        store.download(artifact(s3.body), tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == s3.body
        assert f"bytes={cut}-{PART - 1}" in {asked.range for asked in s3.asked[1:]}
        assert len(s3.asked) == parts + 1

    @pytest.mark.parametrize("cuts", [(100,) * 6, (PART, *(200,) * 6)])
    def test_one_that_always_ends_early_is_given_up(
        self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path, cuts: tuple[int, ...]
    ) -> None:
        s3.cuts.extend(cuts)
        with pytest.raises(TransientError, match="storage_unavailable"):
            store.download(artifact(), tmp_path / "x")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("at", [0, PART - 1, PART + PART // 2, len(BODY) - 1])
    def test_one_wrong_bit_is_corrupt(self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path, at: int) -> None:
        s3.body = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        with pytest.raises(UpstreamError, match=r"artifact_corrupt.*has sha256"):
            store.download(artifact(), tmp_path / "x")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("size", [0, PART, len(BODY) - 1, len(BODY) + 1])
    def test_another_size_is_corrupt_at_the_first_answer(
        self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path, size: int
    ) -> None:
        s3.body = (BODY + b"x")[:size]
        with pytest.raises(UpstreamError, match=rf"artifact_corrupt.*has {size} bytes instead of {len(BODY)}"):
            store.download(artifact(), tmp_path / "x")
        assert len(s3.asked) == 1
        assert list(tmp_path.iterdir()) == []

    def test_another_version_halfway_is_corrupt(self, store: ArtifactStore, s3: BrokenS3, tmp_path: Path) -> None:
        s3.new_version_after = 1
        with pytest.raises(UpstreamError, match=r"artifact_corrupt.*overwritten while it was read"):
            store.download(artifact(), tmp_path / "x")
        assert list(tmp_path.iterdir()) == []


class TestUpload:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        source = tmp_path / "source"
        source.write_bytes(BODY[:1000])
        os.utime(source, (1, 1))
        return source

    def test_the_hash_is_that_of_what_went_up(self, store: ArtifactStore, s3: BrokenS3, source: Path) -> None:
        made = store.upload(source, lambda digest: f"inputs/{digest}", media_type="a/b")
        assert made == artifact(s3.body).model_copy(update={"key": f"inputs/{made.sha256}"})

    @pytest.mark.parametrize(
        "change",
        [
            lambda path: path.write_bytes(BODY[1000:2000]),
            lambda path: path.write_bytes(BODY[:999]),
            lambda path: path.with_name("other").rename(path),
        ],
        ids=["written", "cut", "replaced"],
    )
    def test_a_file_that_changes_meanwhile_is_noticed(
        self, store: ArtifactStore, s3: BrokenS3, source: Path, change: Callable[[Path], object]
    ) -> None:
        other = source.with_name("other")
        other.write_bytes(source.read_bytes())
        os.utime(other, (1, 1))
        s3.on_put = lambda: change(source)
        with pytest.raises(FatalError, match="changed while it was uploaded"):
            store.upload(source, "latents/x", media_type="a/b")
