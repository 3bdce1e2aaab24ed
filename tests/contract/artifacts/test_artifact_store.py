"""What the pipeline relies on in an S3, against two servers that have nothing in common."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.settings import MIB
from shared.contracts.artifact import Artifact, Manifest, manifest_key
from shared.contracts.vocabulary import CONTRACT_VERSION
from shared.errors import FatalError, UpstreamError, UserError
from tests.contract.artifacts.samples import STAGE, digest, manifest_of, put_raw


class TestObjects:
    def test_64_mb_go_up_in_parts_and_come_back_the_same(self, store: ArtifactStore, tmp_path: Path) -> None:
        source, target = tmp_path / "big", tmp_path / "deep" / "back"
        source.write_bytes(random.Random(1).randbytes(64 * MIB + 12345))
        artifact = store.upload(source, "latents/x/video.safetensors", media_type="application/octet-stream")
        assert artifact.bytes == 64 * MIB + 12345
        assert artifact.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
        store.download(artifact, target)
        assert target.read_bytes() == source.read_bytes()
        assert [path.name for path in target.parent.iterdir()] == ["back"]

    def test_an_artifact_carries_its_facts(self, store: ArtifactStore, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"latent")
        artifact = store.upload(
            tmp_path / "a", "latents/x/a.safetensors", media_type="a/b", shape=(1, 8, 251, 16), dtype="BF16"
        )
        assert (artifact.shape, artifact.dtype, artifact.bytes) == ((1, 8, 251, 16), "BF16", 6)

    def test_bytes_round_trip_and_head(self, store: ArtifactStore, tmp_path: Path) -> None:
        artifact = store.upload_bytes(b"a poster", "videos/p.jpg", media_type="image/jpeg", width=4, height=2)
        found = store.head("videos/p.jpg")
        assert found is not None
        assert (found.bytes, found.media_type) == (8, "image/jpeg")
        store.download(artifact, tmp_path / "p")
        assert (tmp_path / "p").read_bytes() == b"a poster"

    def test_an_empty_object_round_trips(self, store: ArtifactStore, tmp_path: Path) -> None:
        artifact = store.upload_bytes(b"", "inputs/empty", media_type="text/plain")
        store.download(artifact, tmp_path / "e")
        assert (tmp_path / "e").read_bytes() == b""

    def test_what_is_not_there_is_missing(self, store: ArtifactStore, tmp_path: Path) -> None:
        assert store.head("latents/none") is None
        gone = Artifact(key="latents/none", sha256=digest(), bytes=1, media_type="a/b")
        with pytest.raises(UpstreamError, match="artifact_missing"):
            store.download(gone, tmp_path / "x")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("damage", [b"truncated", b"THE SAME LENGTH!"])
    def test_overwritten_bytes_are_corrupt(
        self, store: ArtifactStore, settings: S3Settings, tmp_path: Path, damage: bytes
    ) -> None:
        artifact = store.upload_bytes(b"the same length.", "latents/x", media_type="a/b")
        put_raw(settings, "latents/x", damage)
        with pytest.raises(UpstreamError, match="artifact_corrupt") as raised:
            store.download(artifact, tmp_path / "x")
        assert raised.value.detail == {"key": "latents/x"}
        assert list(tmp_path.iterdir()) == []

    def test_a_failed_download_leaves_the_old_file(self, store: ArtifactStore, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"old")
        artifact = store.upload_bytes(b"new", "latents/x", media_type="a/b")
        with pytest.raises(UpstreamError):
            store.download(artifact.model_copy(update={"sha256": digest()}), tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == b"old"

    def test_an_upload_is_received_within_its_limit(self, store: ArtifactStore, tmp_path: Path) -> None:
        put = store.presign_put("inputs/upload", seconds=60, media_type="image/png", size=5)
        assert store.receive("inputs/upload", tmp_path / "i", limit=5) is False
        httpx.put(put.url, content=b"image", headers=put.headers, trust_env=False).raise_for_status()
        with pytest.raises(UserError, match="input_too_large"):
            store.receive("inputs/upload", tmp_path / "i", limit=4)
        assert list(tmp_path.iterdir()) == []
        assert store.receive("inputs/upload", tmp_path / "i", limit=5) is True
        assert (tmp_path / "i").read_bytes() == b"image"


class TestManifests:
    def test_round_trip(self, store: ArtifactStore) -> None:
        key = digest()
        assert store.read_manifest(STAGE, key) is None
        written = store.write_manifest(manifest_of(key))
        assert store.read_manifest(STAGE, key) == written
        assert store.read_manifest_at(manifest_key(STAGE, key)) == written

    def test_two_writers_race_and_both_get_the_winner(self, store: ArtifactStore, lacks: set[str]) -> None:
        if "conditional writes" in lacks:
            pytest.skip("rclone 1.75 ignores If-None-Match: every writer wins (setup refuses such a server)")
        for _ in range(5):
            key, ready = digest(), Barrier(4)

            def write(number: int, key: str = key, ready: Barrier = ready) -> Manifest:
                mine = manifest_of(key, attempt=f"attempt-{number}")
                ready.wait(timeout=10)
                return store.write_manifest(mine)

            with ThreadPoolExecutor(4) as pool:
                got = list(pool.map(write, range(4)))
            standing = store.read_manifest(STAGE, key)
            assert standing is not None
            assert [one.attempt_id for one in got] == [standing.attempt_id] * 4

    def test_a_bad_one_can_be_discarded_but_not_its_successor(self, store: ArtifactStore) -> None:
        key = digest()
        store.discard_manifest(STAGE, key, attempt_id="bad")  # nothing there: nothing to do
        store.write_manifest(manifest_of(key, attempt="bad"))
        store.discard_manifest(STAGE, key, attempt_id="bad")
        assert store.read_manifest(STAGE, key) is None
        good = store.write_manifest(manifest_of(key, attempt="good"))
        store.discard_manifest(STAGE, key, attempt_id="bad")
        assert store.read_manifest(STAGE, key) == good

    def test_an_unreadable_one_can_be_discarded(self, store: ArtifactStore, settings: S3Settings) -> None:
        key = digest()
        put_raw(settings, manifest_key(STAGE, key), b"not json")
        store.discard_manifest(STAGE, key)
        assert store.read_manifest(STAGE, key) is None
        store.discard_manifest(STAGE, key)

    def test_another_contract_version_is_a_mismatch_and_not_a_guess(
        self, store: ArtifactStore, settings: S3Settings
    ) -> None:
        key = digest()
        body = f'{{"contract_version": {CONTRACT_VERSION + 1}, "entirely": "new"}}'
        put_raw(settings, manifest_key(STAGE, key), body.encode())
        with pytest.raises(FatalError, match=r"contract_mismatch.*same release"):
            store.read_manifest(STAGE, key)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not json",
            b"\xff\xfe",
            b"[]",
            b"{}",
            f'{{"contract_version": {CONTRACT_VERSION}}}'.encode(),
            manifest_of(digest()).model_dump_json().encode(),  # of other work
            b" " * (1024 * 1024 + 1),
        ],
        ids=["empty", "text", "binary", "list", "no version", "no fields", "other work", "huge"],
    )
    def test_an_unreadable_one_is_corrupt(self, store: ArtifactStore, settings: S3Settings, body: bytes) -> None:
        key = digest()
        put_raw(settings, manifest_key(STAGE, key), body)
        with pytest.raises(UpstreamError, match="artifact_corrupt"):
            store.read_manifest(STAGE, key)

    def test_a_named_one_that_is_not_there_is_missing(self, store: ArtifactStore) -> None:
        with pytest.raises(UpstreamError, match="artifact_missing"):
            store.read_manifest_at(manifest_key(STAGE, digest()))
