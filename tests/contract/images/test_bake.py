"""Every image variant, rendered from the bake file: what it is built of, what it may carry, and how large that is."""

import json
import os
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from models.__main__ import LAYER_BYTES
from models.selection import layers, needed, total
from shared.contracts.vocabulary import Precision, Stage
from shared.models import ModelFile, repositories
from shared.worker.settings import WorkerSettings
from tests.contract.images import bake
from tests.contract.images.dockerfile import FILES, FOLDER, ROOT, environment, lineage

SAID = {"REGISTRY": "registry.example/us/", "TAG": "v7", "REVISION": "abc1234"}
GROUPS, TARGETS = bake.render(FOLDER / "docker-bake.hcl", SAID)
IMAGES = [*bake.members("default", GROUPS), *bake.members("baked", GROUPS)]
RUNTIME_BYTES = 12_000_000_000
"""CUDA, torch and ComfyUI, estimated (facts/ltx2.md section 5.4)."""
RUNPOD_BYTES = 80_000_000_000
"""The most that RunPod builds by itself (facts/ltx2.md section 5.5)."""
REGISTRY_LAYER_BYTES = 10_000_000_000
"""The most that a layer may have on GHCR (same place)."""


def file_of(name: str) -> str:
    return Path(TARGETS[name]["dockerfile"]).name.removesuffix(".Dockerfile")


def settings_of(name: str) -> WorkerSettings:
    """What the image says of itself to its worker."""
    said = environment(lineage(file_of(name), TARGETS[name]["target"]), TARGETS[name].get("args", {}))
    given = {key.removeprefix("WORKER_").lower(): value for key, value in said.items() if key.startswith("WORKER_")}
    return WorkerSettings.model_validate(given)


def baked(name: str) -> tuple[tuple[ModelFile, ...], ...]:
    """The files of each layer, as the commands of its Dockerfile fetch them."""
    return layers(needed([Stage(file_of(name))], settings_of(name)), int(TARGETS[name]["args"]["LAYER_BYTES"]))


def test_there_is_an_image_of_every_variant() -> None:
    kinds = [f"{precision}-{qualities}" for precision, qualities in product(Precision, ("fast", "fast-pro"))]
    large = [f"{stage}-{kind}" for stage in ("base-gen", "spatial-upscale") for kind in kinds]
    volume = ["orchestrator", "base-gen", "spatial-upscale", "temporal-upscale"]
    assert sorted(IMAGES) == sorted([*volume, *large, "temporal-upscale-baked"])


@pytest.mark.parametrize("name", IMAGES)
def test_what_it_is_built_of_is_there(name: str) -> None:
    made = TARGETS[name]
    file = file_of(name)
    assert (made["context"], (ROOT / made["dockerfile"]).is_file()) == (".", True)
    assert made["target"] in FILES[file]
    assert made["platforms"] == ["linux/amd64"]
    stages = lineage(file, made["target"])
    declared = {rest.partition("=")[0] for stage in stages for rest in stage.all("ARG")}
    assert made.get("args", {}).keys() <= declared, "an argument that nobody reads"
    outside = {stage.parent for stage in FILES[file].values()} - FILES[file].keys()
    assert made["contexts"].keys() == outside, "stages of other files, all of them and no more"
    for context, origin in made["contexts"].items():
        other = TARGETS[origin.removeprefix("target:")]
        assert (file_of(origin.removeprefix("target:")), other["target"]) == ("base", context)


@pytest.mark.parametrize("name", IMAGES)
def test_its_name_and_labels_tell_what_it_is(name: str) -> None:
    made, file = TARGETS[name], file_of(name)
    image = f"mivo-ltx2-{file.replace('_', '-')}"
    variant = name.removeprefix(file.replace("_", "-"))
    assert made["tags"] == [f"registry.example/us/{image}:v7{variant}"]
    assert made["labels"] == {"org.opencontainers.image.revision": "abc1234", "org.opencontainers.image.version": "v7"}
    assert sum(made["tags"] == other.get("tags") for other in TARGETS.values()) == 1
    if made["target"] == "baked" and file != Stage.TEMPORAL_UPSCALE:
        settings = settings_of(name)
        assert variant == f"-{','.join(settings.precisions)}-{'-'.join(settings.qualities)}"
        assert made["secret"] == ["id=hf_token,env=HF_TOKEN"], "a gated encoder may be asked for"
    else:
        assert "secret" not in made


@pytest.mark.parametrize("name", [name for name in IMAGES if TARGETS[name]["target"] == "baked"])
def test_its_weights_fit_into_layers_and_into_what_runpod_builds(name: str) -> None:
    packed = baked(name)
    assert TARGETS[name]["args"]["LAYER_BYTES"] == str(LAYER_BYTES)
    assert len(packed) <= sum("models fetch" in run for run in FILES[file_of(name)]["baked"].all("RUN"))
    assert all(total(layer).bytes <= LAYER_BYTES < REGISTRY_LAYER_BYTES for layer in packed)
    assert sum(total(layer).bytes for layer in packed) + RUNTIME_BYTES < RUNPOD_BYTES
    gated = {
        file.name for layer in packed for file in layer if file.repository and repositories()[file.repository].gated
    }
    assert not gated, "no variant needs a token unless somebody asks for the folder form of the text encoder"


def test_temporal_carries_all_its_weights_and_neither_transformer_nor_text_encoder() -> None:
    (only,) = baked("temporal-upscale-baked")
    assert [file.role for file in sorted(only, key=lambda file: file.role)] == [
        "audio_vae",
        "upscaler/temporal",
        "video_vae",
    ]
    assert total(only).bytes < 3_100_000_000


def test_a_volume_image_can_do_what_an_endpoint_is_set_up_for_by_default() -> None:
    for stage in Stage:
        settings = settings_of(stage.value.replace("_", "-"))
        assert settings.model_copy(update={"warm_up_seconds": 0.0}) == WorkerSettings()
        assert 0 < settings.warm_up_seconds < 300


def buildx() -> list[str] | None:
    """Docker's own, where this machine has it: it renders without a daemon."""
    if found := shutil.which("docker-buildx"):
        return [found]
    docker = shutil.which("docker")
    known = docker and not subprocess.run([docker, "buildx", "version"], capture_output=True, check=False).returncode
    return [docker, "buildx"] if docker and known else None


def test_docker_s_own_buildx_renders_the_same(tmp_path: Path) -> None:
    command = buildx()
    if command is None:
        pytest.skip("no docker buildx here")
    whole = {name: made for name, made in TARGETS.items() if "dockerfile" in made}  # the rest is only inherited
    done = subprocess.run(
        [*command, "bake", "-f", str(FOLDER / "docker-bake.hcl"), "--print", *whole],
        env={**os.environ, **SAID, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    theirs: dict[str, dict[str, Any]] = json.loads(done.stdout)["target"]
    assert theirs == whole
