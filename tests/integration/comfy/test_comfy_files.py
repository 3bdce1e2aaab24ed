from pathlib import Path

import pytest

from shared.comfy.client import ComfyClient
from shared.comfy.events import FileRef
from shared.errors import FatalError
from tests.integration.comfy.scripted_comfy import ScriptedComfy


async def test_an_uploaded_file_comes_back_unchanged(comfy: ScriptedComfy, client: ComfyClient, tmp_path: Path) -> None:
    source = tmp_path / "v.latent"
    source.write_bytes(bytes(range(256)) * 20_000)
    ref = await client.upload(source, "v.latent", subfolder="conditioning")
    assert ref == FileRef("v.latent", "conditioning", "input")
    assert comfy.calls == ["upload overwrite=true"]
    target = await client.fetch_output(ref, tmp_path / "back.latent")
    assert target.read_bytes() == source.read_bytes()


async def test_a_file_that_is_not_there_is_a_bad_output(client: ComfyClient, tmp_path: Path) -> None:
    gone = FileRef("gone.mp4", "job")
    with pytest.raises(FatalError, match=r"bad_output: .*gone.mp4"):
        await client.fetch_output(gone, tmp_path / "x.mp4")
    assert list(tmp_path.glob("x.mp4*")) == []  # noqa: ASYNC240  a look into a folder of three files


async def test_a_file_above_the_limit_is_an_error_without_its_content(client: ComfyClient, tmp_path: Path) -> None:
    source = tmp_path / "huge.bin"
    source.write_bytes(b"x")
    with pytest.raises(FatalError, match="internal: ComfyUI answered 413 to /upload/image"):
        await client.upload(source, "huge.bin")


async def test_memory_is_freed_and_the_server_described(comfy: ScriptedComfy, client: ComfyClient) -> None:
    await client.free()
    assert comfy.calls == ["free {'unload_models': True, 'free_memory': True}"]
    assert (await client.system_stats())["system"]["comfyui_version"] == "scripted"
