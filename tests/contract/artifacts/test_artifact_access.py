"""Presigned URLs, wrong keys, and the making of a bucket, against two servers that have nothing in common."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.artifacts.bucket import lifecycle_rules
from shared.artifacts.client import connect
from shared.contracts.artifact import Artifact
from shared.errors import FatalError, MivoError, TransientError
from tests.contract.artifacts.samples import STAGE, digest, manifest_of
from tests.fixtures_s3 import fresh_bucket


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
