"""The weight files of each stage, read from `models.toml`, by the role that code asks for."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.contracts.artifact import Digest
from shared.contracts.vocabulary import Camera, ControlType, Frozen, Precision, Quality, TextEncoder
from shared.controls import CONTROLS

Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]

GEMMA_FOLDER = "text_encoder/folder/"
"""Roles of the files of the folder form; the first of them is the one that its loader is given."""


class Repository(Frozen):
    """Where weights come from: a repository of the hub."""

    name: str
    licence: str
    gated: bool = False
    """Only for a token whose account accepted its terms."""
    revision: Commit | None = None
    """None: not pinned, whatever its main branch holds."""


class ModelFile(Frozen):
    """One weight file below ComfyUI's `models/`."""

    role: str
    name: str
    """May name a folder of its own, as the shards of Gemma do."""
    folder: str
    repository: str | None = None
    path: str | None = None
    split_from: str | None = None
    """The role of the checkpoint that it is cut out of."""
    bytes: int | None = Field(default=None, gt=0)
    about_bytes: int | None = Field(default=None, gt=0)
    """Where the exact size is unknown; for totals only."""
    sha256: Digest | None = None

    @property
    def identity(self) -> str:
        """What a `stage_key` and a manifest say about this file: its hash, else where it comes from."""
        return self.sha256 or f"{self.repository or self.split_from}/{self.name}"

    @property
    def path_in_repository(self) -> str:
        return self.path or self.name.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes, exact or about; 0 where nobody knows even that."""
        return self.bytes or self.about_bytes or 0


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(files("shared").joinpath("models.toml").read_text(encoding="utf-8"))


@cache
def repositories() -> dict[str, Repository]:
    """Name -> repository."""
    return {row["name"]: Repository.model_validate(row) for row in _table()["repository"]}


@cache
def all_files() -> dict[str, ModelFile]:
    """Role -> file, in the order of the list."""
    rows = [ModelFile.model_validate(row) for row in _table()["file"]]
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


def text_encoder(form: TextEncoder, precision: Precision) -> tuple[ModelFile, ...]:
    """The files of Gemma; a loader is given the first. The folder form knows one precision, its own."""
    if form is TextEncoder.SINGLE:
        return (file(f"text_encoder/{precision}"),)
    return tuple(row for role, row in all_files().items() if role.startswith(GEMMA_FOLDER))


def camera_lora(camera: Camera) -> ModelFile | None:
    return None if camera is Camera.NONE else file(f"camera/{camera}")


def detail_checkpoint(precision: Precision) -> ModelFile:
    """The detailer was made for the dev checkpoint, whatever the quality (facts/comfyui.md section 2)."""
    return checkpoint(Quality.PRO, precision)


def control_files(control: ControlType, *, preprocessed: bool) -> tuple[ModelFile, ...]:
    """The IC-LoRA, and the weights that make its map unless the map is given."""
    kind = CONTROLS[control]
    maker = None if preprocessed else kind.map_model
    return (file(kind.lora), file(maker)) if maker else (file(kind.lora),)


def base_gen_files(
    *,
    quality: Quality,
    precision: Precision,
    camera: Camera,
    text_encoder_form: TextEncoder = TextEncoder.SINGLE,
    control: ControlType | None = None,
    preprocessed: bool = False,
) -> tuple[ModelFile, ...]:
    """Every file that one run of base_gen reads."""
    moved = camera_lora(camera)
    return (
        checkpoint(quality, precision),
        *text_encoder(text_encoder_form, precision),
        *([moved] if moved else []),
        *(control_files(control, preprocessed=preprocessed) if control else []),
    )


def spatial_upscale_files(
    *, quality: Quality, precision: Precision, camera: Camera, upscale: bool = True, detailer: bool = False
) -> tuple[ModelFile, ...]:
    """Every file that one run of spatial_upscale reads. Fast with the detailer needs both checkpoints."""
    needed: list[ModelFile] = []
    if upscale:
        needed += [checkpoint(quality, precision), file("upscaler/spatial")]
        moved = camera_lora(camera)
        needed += [file("lora/distilled")] if quality is Quality.PRO else []
        needed += [moved] if moved else []
    if detailer:
        needed += [detail_checkpoint(precision), file("lora/detailer")]
    return tuple(dict.fromkeys(needed))


def temporal_upscale_files() -> tuple[ModelFile, ...]:
    """Every file that one run of temporal_upscale reads: no transformer and no text encoder."""
    return (file("video_vae"), file("audio_vae"), file("upscaler/temporal"))
