"""An upload that is given up, because its worker leaves or its job is cancelled, leaves no parts in the bucket."""

import asyncio
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect
from shared.worker.outputs import Local, upload

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
