"""A full disk: said by name, what can be freed is freed, and nothing half-written stays."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.errors import ErrorBody
from shared.worker import Worker, leftovers, run_stage
from shared.worker.engine import Engine
from tests.integration.worker.conftest import Stages
from workers.base_gen.stage import STAGE as BASE

LATENTS = {"prompt": "a fox", "resolution": "draft", "duration": 1, "ending": "latents"}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process makes its temporary folders."""
    made = tmp_path / "scratch"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def aged(path: Path) -> Path:
    """As if the execution that wrote it had died two days ago."""
    (path / "half.latent").parent.mkdir(parents=True)
    (path / "half.latent").write_bytes(b"x" * 1000)
    old = time.time() - 2 * leftovers.STALE_SECONDS
    os.utime(path, (old, old))
    return path


async def test_the_workers_own_disk_is_full_when_it_fetches_outputs(stages: Stages, scratch: Path) -> None:
    """The disk is full from the first byte of an output on: /dev/full stands where it is to be written."""
    dead = aged(scratch / f"{leftovers.SCRATCH}dead")

    def fill(post: dict[str, Any]) -> None:
        if post["phase"] == "fetching":
            for folder in scratch.glob(f"{leftovers.SCRATCH}*"):
                if folder != dead:
                    (folder / "out-audio_latent.part").symlink_to("/dev/full")

    job = {"id": "job", "input": LATENTS}
    answer = await run_stage(Worker(BASE, stages.store, stages.engine), job, fill)
    error = ErrorBody.model_validate_json(answer["error"])
    assert (error.code, error.retryable, error.stage) == ("disk_full", True, "base_gen")
    assert "disk of this worker is full" in error.message
    assert answer["refresh_worker"] is True
    assert names_in(scratch) == [], "its own files and those of the dead are gone"
    assert not (await stages.ok(BASE, **LATENTS)).reused


async def test_a_real_disk_that_is_full_for_comfyui_and_worker(
    s3_settings: S3Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file system under both, where this machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=48m none {disk} 2>/dev/null"):  # noqa: ASYNC221, S605
        pytest.skip("no right to mount here")
    try:
        (disk / "scratch").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(disk / "scratch"))
        command = f"{shutil.which('python')} -m local.comfyui_preview"
        engine = Engine(ComfyProcess(ComfySettings(command=command, base_dir=disk / "comfyui")))
        await engine.start()
        # ComfyUI writes 0.29 MB of latents and conditioning: no room for that; room for that, and none for our copy
        for left in (100_000, 420_000):
            free = os.statvfs(disk)
            (disk / "eaten").write_bytes(b"x" * (free.f_bavail * free.f_frsize - left))
            with ArtifactStore(s3_settings) as store:
                worker = Worker(BASE, store, engine)
                answer = await run_stage(worker, {"id": "job", "input": {**LATENTS, "seed": left}}, lambda _: None)
                assert ErrorBody.model_validate_json(answer["error"]).code == "disk_full", answer
                (disk / "eaten").unlink()
                answer = await run_stage(worker, {"id": "job", "input": {**LATENTS, "seed": left}}, lambda _: None)
                assert "error" not in answer, answer
        await engine.close()
    finally:
        os.system(f"umount {disk}")  # noqa: ASYNC221, S605


def test_only_what_nobody_can_be_using_is_swept(scratch: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    stale = [aged(base / "output/ltx2/a"), aged(base / "input/ltx2/a"), aged(scratch / f"{leftovers.SCRATCH}x")]
    for kind in ("input/conditioning", "output/ltx2/fresh", "output/theirs", "models/checkpoints"):
        (base / kind).mkdir(parents=True)
    old = base / "input/conditioning/old.safetensors"
    old.touch()
    os.utime(old, (0, 0))
    young = base / "input/conditioning/young.safetensors"
    young.touch()
    other = aged(scratch / "not-ours")
    assert leftovers.sweep(base) == 4
    assert not any(path.exists() for path in [*stale, old])
    assert all(path.exists() for path in (young, other, base / "output/ltx2/fresh", base / "output/theirs"))
    assert leftovers.sweep(None) == 0
