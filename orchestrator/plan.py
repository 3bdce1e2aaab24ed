"""Request -> plan: the ordered stages of one generation, fully specified before anything runs. Pure.

The only place that knows the order of the stages.
"""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from shared import durations, geometry
from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import (
    AttemptId,
    BaseGenInput,
    BaseGenParams,
    ControlParams,
    SpatialUpscaleParams,
    StageInput,
    StageParams,
    TemporalUpscaleParams,
)
from shared.contracts.vocabulary import Camera, Ending, Frozen, Stage, TextEncoder


class _StagePlan(Frozen):
    params: SerializeAsAny[StageParams]
    estimated_seconds: float
    """GPU seconds on an H100; an estimate."""
    deadline_seconds: int
    """Seconds of execution after which a run is stopped."""


class BaseGenPlan(_StagePlan):
    stage: Literal[Stage.BASE_GEN] = Stage.BASE_GEN
    params: BaseGenParams


class SpatialUpscalePlan(_StagePlan):
    stage: Literal[Stage.SPATIAL_UPSCALE] = Stage.SPATIAL_UPSCALE
    params: SpatialUpscaleParams


class TemporalUpscalePlan(_StagePlan):
    stage: Literal[Stage.TEMPORAL_UPSCALE] = Stage.TEMPORAL_UPSCALE
    params: TemporalUpscaleParams


StagePlan = Annotated[BaseGenPlan | SpatialUpscalePlan | TemporalUpscalePlan, Field(discriminator="stage")]


class Delivery(Frozen):
    """What the video will be, exactly."""

    width: int
    height: int
    frames: int
    fps: int
    seconds: int


class Plan(Frozen):
    stages: tuple[StagePlan, ...] = Field(min_length=1)
    delivers: Delivery
    seed: int

    @property
    def order(self) -> tuple[Stage, ...]:
        return tuple(step.stage for step in self.stages)

    @property
    def contract(self) -> int:
        """The contract version under which it was made."""
        return self.stages[0].params.contract_version

    @property
    def estimated_seconds(self) -> float:
        return round(sum(step.estimated_seconds for step in self.stages), 1)

    def of(self, stage: Stage) -> StagePlan:
        """The plan of one stage; KeyError when the plan has no such stage."""
        return {step.stage: step for step in self.stages}[stage]

    def before(self, stage: Stage) -> Stage | None:
        index = self.order.index(stage)
        return self.order[index - 1] if index else None


def order_of(request: GenerationRequest) -> tuple[Stage, ...]:
    """The stages that a request needs, in order."""
    stages = [Stage.BASE_GEN]
    if request.spatial_upscale or request.detailer:
        stages.append(Stage.SPATIAL_UPSCALE)
    if request.temporal_upscale:
        stages.append(Stage.TEMPORAL_UPSCALE)
    return tuple(stages)


def make_plan(request: GenerationRequest, *, seed: int, text_encoder: TextEncoder = TextEncoder.SINGLE) -> Plan:
    """The plan of a request; the same request, seed and text encoder give the same plan."""
    order = order_of(request)
    clip = geometry.clip(request.duration)
    delivered = clip.doubled() if request.temporal_upscale else clip
    size = geometry.tier(request.resolution, half=False).deliver
    return Plan(
        stages=tuple(
            _stage_plan(_params(request, stage, seed, text_encoder, last=stage is order[-1])) for stage in order
        ),
        delivers=Delivery(
            width=size.width,
            height=size.height,
            frames=delivered.deliver,
            fps=delivered.fps,
            seconds=delivered.seconds,
        ),
        seed=seed,
    )


def _params(
    request: GenerationRequest, stage: Stage, seed: int, text_encoder: TextEncoder, *, last: bool
) -> StageParams:
    ending: Ending = "video" if last else "latents"
    common = {"resolution": request.resolution, "duration": request.duration, "ending": ending}
    if stage is Stage.TEMPORAL_UPSCALE:
        return TemporalUpscaleParams.model_validate(common)
    camera = Camera.NONE if request.control else request.camera
    sampled = {"quality": request.quality, "precision": request.precision, "camera": camera, "seed": seed}
    common |= sampled
    if stage is Stage.SPATIAL_UPSCALE:
        toggles = {"upscale": request.spatial_upscale, "detailer": request.detailer}
        return SpatialUpscaleParams.model_validate(common | toggles)
    control = request.control
    return BaseGenParams.model_validate(
        {
            **common,
            "prompt": request.prompt,
            "steps": request.steps,
            "half_resolution": request.spatial_upscale,
            "control": control
            and ControlParams(type=control.type, preprocessed=control.preprocessed, strength=control.strength),
            "text_encoder": text_encoder,
        }
    )


def _stage_plan(params: StageParams) -> StagePlan:
    estimated = durations.of(params).total
    times = {"estimated_seconds": estimated, "deadline_seconds": durations.deadline(estimated)}
    match params:
        case BaseGenParams():
            return BaseGenPlan(params=params, **times)
        case SpatialUpscaleParams():
            return SpatialUpscalePlan(params=params, **times)
        case _:
            return TemporalUpscalePlan.model_validate({"params": params, **times})


def stage_input(
    step: StagePlan,
    *,
    attempt_id: AttemptId,
    generation_id: str,
    image: Artifact | None,
    upstream: Manifest | None,
    control_source: Artifact | None = None,
    early_look: bool = False,
) -> StageInput:
    """The input of one stage run: the plan's params, and the artifacts of the stage before it.

    `control_source` is the video or still of the request's control; ValidationError when a control lacks it.
    `early_look` is wanted of the base, unless it makes the video itself.
    """
    if isinstance(step, BaseGenPlan):
        params = step.params.model_dump()
        return BaseGenInput(
            **params,
            attempt_id=attempt_id,
            generation_id=generation_id,
            image=image,
            control_source=control_source,
            early_look=early_look and step.params.ending == "latents",
        )
    if upstream is None:
        raise ValueError(f"{step.stage} needs the manifest of the stage before it")
    return keys.after(
        upstream,
        step.stage,
        ending=step.params.ending,
        attempt_id=attempt_id,
        generation_id=generation_id,
        detailer=isinstance(step, SpatialUpscalePlan) and step.params.detailer,
    )
