"""Artifacts in S3, and the manifest that a stage writes last: its existence means that the stage is done."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.contracts.vocabulary import CONTRACT_VERSION, Frozen, Sha256, Stage

Digest = Annotated[Sha256, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _stays_inside(key: str) -> str:
    if ".." in key.split("/"):
        raise ValueError("a key has no '..' parts")
    return key


Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,300}$"), AfterValidator(_stays_inside)]


class Artifact(Frozen):
    """An object in S3, verified by sha256 on every read."""

    key: Key
    sha256: Digest
    bytes: int = Field(ge=0)
    media_type: str
    shape: tuple[int, ...] | None = None
    """Of a latent: video [1, 128, (F-1)/8+1, H/32, W/32], audio [1, 8, L, 16]."""
    dtype: str | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: int | None = None
    seconds: float | None = None
    audio_seconds: float | None = None
    """Of a video's sound; None where it has none."""


class Manifest(Frozen):
    """What a stage made, and of what. Small JSON, written once, after all its artifacts."""

    contract_version: int = CONTRACT_VERSION
    stage: Stage
    stage_key: Digest
    attempt_id: str
    created_at: datetime
    artifacts: dict[str, Artifact]
    """By role: video_latent, audio_latent, conditioning, detail_conditioning, image, video, poster."""
    params: dict[str, Any]
    """The stage's parameters (design section 4 words); never the prompt, only its sha256."""
    recipe: dict[str, Any]
    models: dict[str, str]
    """File name -> sha256, or `repo@revision` where no hash is known."""
    timings: dict[str, float] = Field(default_factory=dict)
    """Seconds by phase: fetch, execute, deliver, upload, total; and from the job's start until ComfyUI had accepted the
    graph and until it had ended."""
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_an_ending(self) -> Self:
        if not ({"video", "video_latent"} & self.artifacts.keys()):
            raise ValueError("a manifest names a video or a video_latent")
        return self


def manifest_key(stage: Stage, stage_key: str) -> str:
    return f"manifests/{stage}/{stage_key}.json"


def latent_key(stage_key: str, execution: str, name: str) -> str:
    """Carries the execution: two of one stage_key must never write over each other's bytes."""
    return f"latents/{stage_key}/{execution}/{name}.safetensors"


def video_key(stage_key: str, execution: str) -> str:
    return f"videos/{stage_key}/{execution}.mp4"


def poster_key(stage_key: str, execution: str) -> str:
    return f"videos/{stage_key}/{execution}.jpg"


def early_look_key(stage_key: str, execution: str) -> str:
    return f"videos/{stage_key}/{execution}-early_look.mp4"


def early_look_record_key(stage_key: str) -> str:
    """Beside the manifest of the base run: what its early look is, written when the clip is there."""
    return f"manifests/{Stage.BASE_GEN}/{stage_key}.early_look.json"


def input_key(sha256: str) -> str:
    return f"inputs/{sha256}"


def stage_key_of_latents(key: str) -> str:
    """The stage_key in a latent's key; ValueError for any other key."""
    match key.split("/"):
        case ["latents", stage_key, _, _]:
            return stage_key
        case _:
            raise ValueError(f"{key!r} is not the key of a latent: latents/<stage_key>/<execution>/<name>.safetensors")
