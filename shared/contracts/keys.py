"""What a stage run is, by content: recipe, models, params and inputs; never ids, attempts or times. Pure.

So a retry, a duplicate delivery, or a second generation that differs only in a later stage finds the work done.
"""

import hashlib
import json
from typing import Any

from shared import models, recipes
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.stage import (
    STAGE_OF,
    Attempt,
    AttemptId,
    BaseGenInput,
    SpatialUpscaleInput,
    StageInput,
    TemporalUpscaleInput,
)
from shared.contracts.vocabulary import CONTRACT_VERSION, Camera, Precision, Quality, Stage
from shared.errors import UserError

INPUT_ROLES = ("video_latent", "audio_latent", "conditioning", "image")
_NOT_PARAMS = {*INPUT_ROLES, *Attempt.model_fields, "contract_version", "steps"}  # steps live in the recipe


def recipe_of(work: StageInput) -> recipes.Recipe:
    match work:
        case BaseGenInput():
            return recipes.base(work.quality, steps=work.steps, two_pass=work.half_resolution)
        case SpatialUpscaleInput():
            return recipes.refine(work.quality)
        case TemporalUpscaleInput():
            return recipes.TemporalRecipe()


def models_of(work: StageInput) -> dict[str, str]:
    """File name -> identity, of every weight file that the run reads."""
    match work:
        case TemporalUpscaleInput():
            chosen = models.files_of(
                Stage.TEMPORAL_UPSCALE, quality=Quality.FAST, precision=Precision.FP8, camera=Camera.NONE
            )
        case _:
            chosen = models.files_of(
                STAGE_OF[type(work)], quality=work.quality, precision=work.precision, camera=work.camera
            )
    return {file.name: file.identity for file in chosen}


def inputs_of(work: StageInput) -> dict[str, Artifact]:
    """The artifacts that a run reads, by role."""
    found = ((role, getattr(work, role, None)) for role in INPUT_ROLES)
    return {role: artifact for role, artifact in found if artifact is not None}


def params_of(work: StageInput) -> dict[str, Any]:
    """The params as a manifest shows them: all but the prompt, of which only the hash is kept."""
    params = work.model_dump(mode="json", exclude=_NOT_PARAMS | {"prompt"})
    if isinstance(work, BaseGenInput):
        params["prompt_sha256"] = hashlib.sha256(work.prompt.encode()).hexdigest()
    return params


def stage_key(work: StageInput) -> str:
    """sha256 over the canonical JSON of everything that shapes the output."""
    content = {
        "contract_version": CONTRACT_VERSION,
        "stage": STAGE_OF[type(work)],
        "params": params_of(work),
        "recipe": recipe_of(work).model_dump(mode="json"),
        "models": models_of(work),
        "inputs": {role: artifact.sha256 for role, artifact in inputs_of(work).items()},
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def latents_only(work: StageInput) -> StageInput | None:
    """The same work with the latents ending, where that exists.

    A run that decodes keeps its latents too, and stands for this work as well: "the same video, but smoother"
    then costs one temporal run and nothing else.
    """
    if work.ending == "latents" or isinstance(work, TemporalUpscaleInput):
        return None
    return work.model_copy(update={"ending": "latents"})


def after(
    upstream: Manifest, stage: Stage, *, ending: str, attempt_id: AttemptId, generation_id: str | None
) -> StageInput:
    """The input of a later stage, from what the stage before it left behind.

    Raises ValidationError or KeyError when the manifest does not hold what the stage needs, UserError for latents
    that are at full size already.
    """
    params, made = upstream.params, upstream.artifacts
    common = {
        "attempt_id": attempt_id,
        "generation_id": generation_id,
        "resolution": params["resolution"],
        "duration": params["duration"],
        "ending": ending,
        "video_latent": made["video_latent"],
        "audio_latent": made["audio_latent"],
    }
    if stage is Stage.TEMPORAL_UPSCALE:
        return TemporalUpscaleInput.model_validate({**common, "half_resolution": params["half_resolution"]})
    if stage is Stage.BASE_GEN:
        raise ValueError("nothing comes before base_gen")
    if not params["half_resolution"]:
        raise UserError("invalid_input", "these latents are at full size already; spatial_upscale doubles half ones")
    return SpatialUpscaleInput.model_validate(
        {
            **common,
            "quality": params["quality"],
            "precision": params["precision"],
            "camera": params["camera"],
            "seed": params["seed"],
            "conditioning": made["conditioning"],
            "image": made.get("image"),
        }
    )
