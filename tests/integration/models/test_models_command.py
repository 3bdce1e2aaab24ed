"""`python -m models` as a person calls it."""

import os
import subprocess
import sys
from pathlib import Path

from shared import models
from tests.integration.models.weight_server import Manner, WeightServer


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "models", *arguments],
        env={**os.environ, "MODELS_WAIT_SECONDS": "0.01", "MODELS_TRIES": "2", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_list_prints_files_and_total() -> None:
    done = run("list", "--stage", "temporal_upscale", "--quality", "fast", "--precision", "fp8")
    assert done.returncode == 0, done.stderr
    assert "~2.925 GB  3 files" in done.stdout
    assert "vae/ltx-2-19b-video-vae.safetensors  (split from ltx-2-19b-dev-fp8.safetensors" in done.stdout


def test_a_choice_that_nobody_knows_is_refused() -> None:
    done = run("list", "--stage", "temporal")
    assert done.returncode == 2
    assert "base_gen" in done.stderr


def test_tiny_writes_weights_and_fetch_takes_them_unchecked(server: WeightServer, root: Path) -> None:
    """Where nothing has to come, nobody is asked; with checks on, tiny weights are none."""
    written = run("tiny", "--target", root)
    assert written.returncode == 0, written.stderr
    said = {"MODELS_HUB": server.url, "MODELS_CHECK": "none"}
    done = run("fetch", "--stage", "temporal_upscale", "--target", root, **said)
    assert (done.returncode, done.stdout) == (0, f"3 files below {root}\n"), done.stderr
    assert server.asked == []
    refused = run("fetch", "--stage", "temporal_upscale", "--target", root, MODELS_HUB=server.url)
    assert refused.returncode == 1
    assert "Lightricks/LTX-2/ltx-2-temporal-upscaler-x2-1.0.safetensors does not exist there" in refused.stderr


def test_a_hub_that_is_down_is_worth_another_try(server: WeightServer, root: Path) -> None:
    file = models.file("upscaler/temporal")
    for name in (file.name, "ltx-2-19b-dev-fp8.safetensors"):
        server.put(f"/{file.repository}/resolve/main/{name}", b"", always=Manner(status=503))
    done = run("fetch", "--stage", "temporal_upscale", "--target", root, MODELS_HUB=server.url)
    assert done.returncode == 75, done.stderr
    assert "the server answered 503" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_file_that_is_not_there_is_told(server: WeightServer, root: Path, tmp_path: Path) -> None:
    done = run("fetch", "--target", root, MODELS_HUB=server.url, HF_TOKEN_FILE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "HF_TOKEN_FILE cannot be read" in done.stderr


def test_a_path_that_cannot_be_is_told(server: WeightServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for role in ("upscaler/temporal", "checkpoint/dev/fp8"):
        file = models.file(role)
        server.put(f"/{file.repository}/resolve/main/{file.name}", b"x", always=Manner(whole=file.bytes))
    target = tmp_path / "file" / "models"
    done = run("fetch", "--stage", "temporal_upscale", "--target", target, MODELS_HUB=server.url)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"{target} cannot be written: Not a directory")
    done = run("split-vae", tmp_path / "none", "--target", tmp_path)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'none'}: No such file or directory\n")
