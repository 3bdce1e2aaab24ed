"""What the pipeline relies on in an S3, against two servers that have nothing in common."""

import hashlib
import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.artifacts.bucket import lifecycle_rules
from shared.artifacts.client import connect
from shared.artifacts.settings import MIB
from shared.contracts.artifact import Artifact, Manifest, manifest_key
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError, MivoError, TransientError, UpstreamError
from tests.fixtures_s3 import fresh_bucket

STAGE = Stage.BASE_GEN


def digest() -> str:
    return secrets.token_hex(32)


def manifest_of(stage_key: str, *, attempt: str = "attempt-1") -> Manifest:
    video = Artifact(key=f"videos/{stage_key}.mp4", sha256=digest(), bytes=3, media_type="video/mp4")
    return Manifest(
        stage=STAGE,
        stage_key=stage_key,
        attempt_id=attempt,
        created_at=datetime.now(UTC),
        artifacts={"video": video},
        params={"seed": 7},
        recipe={"name": "fast"},
        models={},
    )


def put_raw(settings: S3Settings, key: str, body: bytes) -> None:
    """Behind the store's back."""
    client = connect(settings)
    client.put_object(Bucket=settings.bucket, Key=key, Body=body)
    client.close()


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


class TestPresigned:
    def test_get_serves_a_range_under_a_name(self, store: ArtifactStore) -> None:
        store.upload_bytes(b"0123456789", "videos/v.mp4", media_type="video/mp4")
        url = store.presign_get("videos/v.mp4", seconds=60, download_name='my "film".mp4')
        answer = httpx.get(url, headers={"Range": "bytes=2-4"}, trust_env=False)
        assert answer.content == b"234"
        assert answer.headers["content-range"] == "bytes 2-4/10"
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["content-disposition"] == 'attachment; filename="my__film_.mp4"'

    def test_put_then_head(self, store: ArtifactStore) -> None:
        put = store.presign_put("inputs/i", seconds=60, media_type="image/png", size=5)
        assert httpx.put(put.url, content=b"image", headers=put.headers, trust_env=False).is_success
        found = store.head("inputs/i")
        assert found is not None
        assert (found.bytes, found.media_type) == (5, "image/png")
        assert put.expires_at > datetime.now(UTC)

    @pytest.mark.parametrize(
        ("body", "media_type"), [(b"images", "image/png"), (b"imag", "image/png"), (b"image", "text/html")]
    )
    def test_put_refuses_another_size_or_type(self, store: ArtifactStore, body: bytes, media_type: str) -> None:
        put = store.presign_put("inputs/i", seconds=60, media_type="image/png", size=5)
        answer = httpx.put(put.url, content=body, headers={"Content-Type": media_type}, trust_env=False)
        assert answer.status_code == 403
        assert store.head("inputs/i") is None

    def test_a_url_is_for_its_key_and_its_verb_only(self, store: ArtifactStore) -> None:
        store.upload_bytes(b"mine", "videos/mine", media_type="video/mp4")
        store.upload_bytes(b"other", "videos/other", media_type="video/mp4")
        url = store.presign_get("videos/mine", seconds=60)
        assert httpx.get(url.replace("mine", "other"), trust_env=False).status_code == 403
        assert httpx.put(url, content=b"x", trust_env=False).status_code == 403
        assert httpx.get(url.split("?")[0], trust_env=False).status_code in (400, 401, 403)

    def test_the_public_name_stands_in_the_url(self, settings: S3Settings) -> None:
        public = settings.model_copy(update={"public_endpoint_url": "https://media.example.com"})
        with ArtifactStore(public) as store:
            url = store.presign_get("videos/a", seconds=60)
        assert url.startswith(f"https://media.example.com/{settings.bucket}/videos/a?")

    @pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1])
    def test_a_lifetime_that_s3_does_not_know(self, store: ArtifactStore, seconds: int) -> None:
        with pytest.raises(ValueError, match="1 to 604800"):
            store.presign_get("videos/a", seconds=seconds)

    def test_urls_stay_out_of_reprs(self, store: ArtifactStore) -> None:
        assert "Signature" not in repr(store.presign_put("inputs/i", seconds=60, media_type="image/png"))


class TestFailures:
    def test_ready(self, store: ArtifactStore) -> None:
        store.ensure_ready()

    @pytest.mark.parametrize("change", [{"access_key_id": "nobody"}, {"secret_access_key": "wrong"}])
    def test_wrong_keys_are_named(self, settings: S3Settings, change: dict[str, str], tmp_path: Path) -> None:
        wrong = S3Settings.model_validate({**settings.model_dump(), **change})
        artifact = Artifact(key="latents/a", sha256=digest(), bytes=1, media_type="a/b")
        (tmp_path / "source").write_bytes(b"x")
        with ArtifactStore(wrong) as store:
            for use in (
                store.ensure_ready,
                lambda: store.download(artifact, tmp_path / "a"),
                lambda: store.upload(tmp_path / "source", "latents/a", media_type="a/b"),
                lambda: store.read_manifest(STAGE, digest()),
                lambda: store.write_manifest(manifest_of(digest())),
            ):
                with pytest.raises(TransientError, match=r"storage_unavailable.*S3_ACCESS_KEY_ID") as raised:
                    use()
                assert "wrong" not in str(raised.value)

    def test_a_bucket_that_nobody_made(self, server: S3Settings, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(b"x")
        with ArtifactStore(server.model_copy(update={"bucket": f"unmade-{secrets.token_hex(8)}"})) as store:
            for use in (
                store.ensure_ready,
                lambda: store.upload(tmp_path / "source", "latents/a", media_type="a/b"),
                lambda: store.read_manifest(STAGE, digest()),
            ):
                with pytest.raises(TransientError, match=r"storage_unavailable.*shared\.artifacts setup"):
                    use()


class TestSetup:
    def test_it_makes_bucket_and_rules_and_may_be_repeated(self, server: S3Settings, lacks: set[str]) -> None:
        if "conditional writes" in lacks:
            pytest.skip("setup refuses rclone; see the next test")
        with fresh_bucket(server) as other:
            settings = other.model_copy(
                update={"bucket": f"{other.bucket[:50]}-b", "cors_origins": ("https://mivo.example",)}
            )
            client = connect(settings)
            try:
                setup(settings)
                setup(settings)
                found = client.get_bucket_lifecycle_configuration(Bucket=settings.bucket)["Rules"]
                assert sorted(found, key=lambda rule: rule["ID"]) == sorted(
                    lifecycle_rules(settings), key=lambda rule: rule["ID"]
                )
                latents = next(rule for rule in found if rule["Filter"] == {"Prefix": "latents/"})
                assert latents["Expiration"] == {"Days": 3}
                (cors,) = client.get_bucket_cors(Bucket=settings.bucket)["CORSRules"]
                assert cors["AllowedOrigins"] == ["https://mivo.example"]
            finally:
                client.delete_bucket(Bucket=settings.bucket)
                client.close()

    def test_it_refuses_a_server_that_lets_every_writer_win(self, settings: S3Settings, lacks: set[str]) -> None:
        if "conditional writes" not in lacks:
            pytest.skip("this server knows conditional writes")
        with pytest.raises(FatalError, match="ignores If-None-Match"):
            setup(settings)


def test_a_server_that_is_not_there(tmp_path: Path, unused_tcp_port: int) -> None:
    settings = S3Settings.model_validate(
        {
            "endpoint_url": f"http://127.0.0.1:{unused_tcp_port}",
            "bucket": "some-bucket",
            "access_key_id": "a",
            "secret_access_key": "b",
            "attempts": 1,
        }
    )
    artifact = Artifact(key="latents/a", sha256=digest(), bytes=1, media_type="a/b")
    with ArtifactStore(settings) as store:
        for use in (
            store.ensure_ready,
            lambda: store.download(artifact, tmp_path / "a"),
            lambda: store.write_manifest(manifest_of(digest())),
        ):
            with pytest.raises(MivoError, match="storage_unavailable: storage did not answer") as raised:
                use()
            assert raised.value.retryable
