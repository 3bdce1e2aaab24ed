"""What a stage is asked to do (the `input` of a RunPod job) and what it answers.

Each stage also works alone, for debugging, with next to nothing: `{"prompt": "..."}` for base_gen, and
`{"manifest": "manifests/..."}` or `{"latents": "latents/..."}` for the other two.
"""

from typing import Annotated, Literal, Self
from uuid import uuid4

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, ValidationInfo, model_validator

from shared import geometry
from shared.contracts.artifact import Artifact, Digest, Key
from shared.contracts.vocabulary import (
    CONTRACT_VERSION,
    STORABLE,
    Camera,
    ControlType,
    Ending,
    Frozen,
    Precision,
    Quality,
    Resolution,
    Stage,
    TextEncoder,
)
from shared.recipes import MAX_STEPS, MIN_STEPS

MAX_SEED = 2**53 - 1  # the largest integer that JSON readers agree on
MAX_PROMPT = 5000

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT), STORABLE]
Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
AttemptId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""Names every file that a graph writes, so that ComfyUI's cache cannot swallow a retry."""


def new_attempt_id() -> AttemptId:
    return uuid4().hex


def _spoken(version: int, info: ValidationInfo) -> int:
    if version != CONTRACT_VERSION and not (info.context or {}).get("any_contract"):
        raise ValueError(f"this code speaks contract version {CONTRACT_VERSION}, not {version}")
    return version


Spoken = Annotated[int, Field(strict=True, ge=0), AfterValidator(_spoken)]
"""The contract version. What was kept by another release is readable with the context `any_contract`."""


class StageParams(Frozen):
    """What every stage has to know."""

    contract_version: Spoken = CONTRACT_VERSION
    resolution: Resolution = Resolution.HD
    duration: int = Field(default=10, strict=True, ge=1)
    half_resolution: StrictBool = False
    """The latents (and the video, if there is one) are half the tier's size each way."""
    ending: Ending = "video"

    @model_validator(mode="after")
    def _duration_is_sold(self) -> Self:
        legal = geometry.durations(self.resolution)
        if self.duration not in legal:
            raise ValueError(f"duration: {self.resolution} may last {', '.join(map(str, legal))} seconds")
        return self


class ControlParams(Frozen):
    """IC-LoRA guidance by a video, or by a still that is held over all frames."""

    type: ControlType
    preprocessed: StrictBool = False
    """The source is a depth, edge or pose map already."""
    strength: float = Field(default=1.0, strict=True, ge=0.0, le=1.0)
    """How hard the map is held; the IC-LoRA itself always has the strength of its recipe."""


class BaseGenParams(StageParams):
    prompt: Prompt
    quality: Quality = Quality.FAST
    precision: Precision = Precision.FP8
    camera: Camera = Camera.STATIC
    seed: Seed = 10  # the default of the reference pipelines
    steps: int | None = Field(default=None, strict=True, ge=MIN_STEPS, le=MAX_STEPS)
    half_resolution: StrictBool = True
    control: ControlParams | None = None
    text_encoder: TextEncoder = TextEncoder.SINGLE
    """What the endpoint's machines have on disk, by the orchestrator's settings; it shapes the output."""

    @property
    def lora_camera(self) -> Camera:
        """The camera whose LoRA is loaded: a control video fixes the camera already, so none is."""
        return Camera.NONE if self.control else self.camera

    @model_validator(mode="after")
    def _control_fixes_the_camera(self) -> Self:
        if self.control and self.camera not in {Camera.STATIC, Camera.NONE}:
            raise ValueError("camera: a control video already fixes the camera; send static or none")
        return self

    @model_validator(mode="after")
    def _steps_are_for_pro(self) -> Self:
        if self.steps is not None and self.quality is not Quality.PRO:
            raise ValueError("steps: only pro samples a chosen number of steps; leave it out for fast")
        return self


class SpatialUpscaleParams(StageParams):
    half_resolution: Literal[False] = False
    upscale: StrictBool = True
    """Half-size latents come in and are doubled and refined; without it full-size ones come, for the detailer."""
    detailer: StrictBool = False
    quality: Quality = Quality.FAST
    precision: Precision = Precision.FP8
    camera: Camera = Camera.STATIC
    seed: Seed = 10

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        if not (self.upscale or self.detailer):
            raise ValueError("detailer: without upscale and detailer there is nothing to do")
        return self


class TemporalUpscaleParams(StageParams):
    ending: Literal["video"] = "video"


class Attempt(Frozen):
    """Who asks. Never part of a `stage_key`."""

    attempt_id: AttemptId = Field(default_factory=new_attempt_id)
    generation_id: str | None = None


class BaseGenInput(Attempt, BaseGenParams):
    image: Artifact | None = None
    control_source: Artifact | None = None
    """The user's video or still, as it came; the worker makes a clip of the generated size and length of it."""
    early_look: StrictBool = False
    """Once the latents are committed, also decode a small clip of them. Never part of a `stage_key`: the work of the
    stage is the same with and without it."""

    @model_validator(mode="after")
    def _early_look_is_of_latents(self) -> Self:
        if self.early_look and self.ending == "video":
            raise ValueError("early_look: this run makes the video itself; only one that ends in latents has it")
        return self

    @model_validator(mode="after")
    def _control_has_a_source(self) -> Self:
        if (self.control is None) != (self.control_source is None):
            raise ValueError("control_source: comes with control, and only with it")
        return self


class SpatialUpscaleInput(Attempt, SpatialUpscaleParams):
    video_latent: Artifact
    audio_latent: Artifact
    conditioning: Artifact | None = None
    detail_conditioning: Artifact | None = None
    image: Artifact | None = None

    @model_validator(mode="after")
    def _has_what_it_reads(self) -> Self:
        if self.upscale != (self.conditioning is not None):
            raise ValueError("conditioning: the refine of upscale reads it, and nothing else does")
        if self.detailer != (self.detail_conditioning is not None):
            raise ValueError("detail_conditioning: the detailer reads it, and nothing else does")
        if self.image is not None and not self.upscale:
            raise ValueError("image: only the refine of upscale reads it")
        return self


class TemporalUpscaleInput(Attempt, TemporalUpscaleParams):
    video_latent: Artifact
    audio_latent: Artifact


StageInput = BaseGenInput | SpatialUpscaleInput | TemporalUpscaleInput

STAGE_OF: dict[type[StageInput], Stage] = {
    BaseGenInput: Stage.BASE_GEN,
    SpatialUpscaleInput: Stage.SPATIAL_UPSCALE,
    TemporalUpscaleInput: Stage.TEMPORAL_UPSCALE,
}
INPUT_OF: dict[Stage, type[StageInput]] = {stage: kind for kind, stage in STAGE_OF.items()}


class FromUpstream(Attempt):
    """The hand-written form for the two later stages: go on from what an earlier stage left in S3."""

    contract_version: Spoken = CONTRACT_VERSION
    manifest: Key | None = None
    latents: Key | None = None
    """Key of a video latent; its manifest stands under the same stage_key."""
    ending: Ending = "video"
    detailer: StrictBool = False
    """Of spatial_upscale only; the run that left the latents must have been told to leave what it reads."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.manifest is None) == (self.latents is None):
            raise ValueError("name either a manifest or the latents, not both")
        return self


class ReplyArtifact(Frozen):
    key: Key
    bytes: int


MANIFEST_ONLY = frozenset({"image", "conditioning", "detail_conditioning"})
"""Roles that only the next stage reads, left out of a reply to keep it under 2 kB."""


class StageReply(Frozen):
    """What a worker returns. Under 2 kB: RunPod drops large results (facts/runpod.md section 0)."""

    contract_version: int = CONTRACT_VERSION
    stage: Stage
    stage_key: Digest
    manifest: Key
    reused: bool
    """The work had been done before: nothing was rendered."""
    artifacts: dict[str, ReplyArtifact]
    """What the stage made, but for `MANIFEST_ONLY`."""
    timings: dict[str, float]
    url: str
    """Presigned GET of the video, else of the video latent."""
    refresh_worker: Literal[True] | None = None


class StageProgress(Frozen):
    """One progress update, as RunPod shows it in `output` while the job runs."""

    attempt_id: str
    fraction: float = Field(ge=0, le=1)
    phase: Literal["fetching", "executing", "delivering", "uploading", "looking"]
    """`looking`: the manifest stands, and the early look is being made."""
    step: int | None = None
    steps: int | None = None
