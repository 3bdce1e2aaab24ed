"""The weight files of each stage, read from `models.toml`, by the role that code asks for."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import Field

from shared.contracts.artifact import Digest
from shared.contracts.vocabulary import Camera, Frozen, Precision, Quality, Stage


class ModelFile(Frozen):
    """One weight file below ComfyUI's `models/`."""

    role: str
    name: str
    folder: str
    repository: str | None = None
    split_from: str | None = None
    bytes: int | None = Field(default=None, gt=0)
    sha256: Digest | None = None

    @property
    def identity(self) -> str:
        """What a `stage_key` and a manifest say about this file: its hash, else where it comes from."""
        return self.sha256 or f"{self.repository or self.split_from}/{self.name}"


@cache
def all_files() -> dict[str, ModelFile]:
    """Role -> file, in the order of the list."""
    text = files("shared").joinpath("models.toml").read_text(encoding="utf-8")
    rows = [ModelFile.model_validate(row) for row in tomllib.loads(text)["file"]]
    by_role = {row.role: row for row in rows}
    if len(by_role) != len(rows):
        raise ValueError("models.toml: a role stands twice")
    return by_role


def file(role: str) -> ModelFile:
    """KeyError names the role that `models.toml` lacks."""
    return all_files()[role]


def checkpoint(quality: Quality, precision: Precision) -> ModelFile:
    """Fast runs the distilled checkpoint, pro the dev one (facts/ltx2.md section 2.2)."""
    kind = "distilled" if quality is Quality.FAST else "dev"
    return file(f"checkpoint/{kind}/{precision}")


def text_encoder(precision: Precision) -> ModelFile:
    return file(f"text_encoder/{precision}")


def camera_lora(camera: Camera) -> ModelFile | None:
    return None if camera is Camera.NONE else file(f"camera/{camera}")


def files_of(stage: Stage, *, quality: Quality, precision: Precision, camera: Camera) -> tuple[ModelFile, ...]:
    """Every file that one run of a stage reads."""
    if stage is Stage.TEMPORAL_UPSCALE:
        return (file("video_vae"), file("audio_vae"), file("upscaler/temporal"))
    needed = [checkpoint(quality, precision)]
    if stage is Stage.BASE_GEN:
        needed.append(text_encoder(precision))
    else:
        needed.append(file("upscaler/spatial"))
        if quality is Quality.PRO:
            needed.append(file("lora/distilled"))
    moved = camera_lora(camera)
    return (*needed, moved) if moved else tuple(needed)
