"""A transfer that is given up leaves nothing: no parts in the bucket, no thread that still writes on our disk."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect
from shared.contracts.artifact import Artifact
from shared.errors import UpstreamError
from shared.worker.outputs import Local, upload
from shared.worker.transfers import together

MB = 1 << 20


@pytest.fixture
def files(tmp_path: Path) -> list[Local]:
    """Two of many parts, and one of one."""
    made = []
    for role, size in (("video_latent", 120), ("video", 120), ("audio_latent", 1)):
        path = tmp_path / role
        path.write_bytes(b"x" * (size * MB))
        made.append(Local(role=role, path=path, key=f"latents/{role}", media_type="a/b", facts={}))
    return made


def unfinished(settings: S3Settings) -> list[str]:
    client = connect(settings)
    try:
        found = client.list_multipart_uploads(Bucket=settings.bucket).get("Uploads", [])
        return [item["Key"] for item in found]
    finally:
        client.close()


async def test_a_cancelled_upload_leaves_no_parts(s3_settings: S3Settings, files: list[Local]) -> None:
    settings = s3_settings.model_copy(update={"part_bytes": 5 * MB, "concurrency": 1})
    with ArtifactStore(settings) as store:
        task = asyncio.create_task(upload(store, files))
        async with asyncio.timeout(30):
            while len(await asyncio.to_thread(unfinished, settings)) < 2:
                await asyncio.sleep(0.01)
                assert not task.done(), "it was quicker than we could look"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(unfinished, settings) == []
        assert store.head("latents/video") is None
        made = await upload(store, files)
        assert sorted(made) == sorted(file.role for file in files)
        assert await asyncio.to_thread(unfinished, settings) == []


async def test_one_that_fails_ends_the_others(s3_settings: S3Settings, files: list[Local], tmp_path: Path) -> None:
    settings = s3_settings.model_copy(update={"part_bytes": 5 * MB, "concurrency": 1})
    gone = Local(role="poster", path=tmp_path / "gone", key="videos/x.jpg", media_type="a/b", facts={})
    with ArtifactStore(settings) as store:
        with pytest.raises(FileNotFoundError):
            await upload(store, [*files, gone])
        assert await asyncio.to_thread(unfinished, settings) == []
        assert store.head("latents/video") is None


async def test_a_download_that_fails_ends_the_others_before_it_says_so(s3_settings: S3Settings, tmp_path: Path) -> None:
    """The caller removes the folder at once: a thread that still wrote there would make that fail."""
    settings = s3_settings.model_copy(update={"part_bytes": 5 * MB, "concurrency": 1})
    source, folder = tmp_path / "source", tmp_path / "job"
    source.write_bytes(b"x" * (240 * MB))
    with ArtifactStore(settings) as store:
        large = await asyncio.to_thread(store.upload, source, "latents/large", media_type="a/b")
        missing = Artifact(key="latents/missing", sha256="0" * 64, bytes=1, media_type="a/b")
        folder.mkdir()
        under_way = asyncio.Event()
        loop = asyncio.get_running_loop()

        def late() -> None:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(under_way.wait(), 30), loop).result()
            store.download(missing, folder / "missing")

        transfers: list[Callable[[], None]] = [partial(store.download, large, folder / "large"), late]
        task = asyncio.create_task(together(store, transfers))
        async with asyncio.timeout(30):
            while not any(folder.iterdir()):
                await asyncio.sleep(0.005)
                assert not task.done(), "it failed before there was anything to end"
        under_way.set()
        with pytest.raises(UpstreamError, match="gone"):
            await task
        assert list(folder.iterdir()) == []
        await asyncio.to_thread(store.download, large, folder / "large")
