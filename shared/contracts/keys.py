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
from shared.contracts.vocabulary import CONTRACT_VERSION, Camera, Stage
from shared.errors import UserError

INPUT_ROLES = ("video_latent", "audio_latent", "conditioning", "detail_conditioning", "image", "control_source")
_NOT_PARAMS = {*INPUT_ROLES, *Attempt.model_fields, "contract_version", "early_look", "steps"}
"""The steps live in the recipe; an early look comes after the work."""


def recipe_of(work: StageInput) -> recipes.Recipe:
    match work:
        case BaseGenInput():
            return recipes.base(
                work.quality,
                steps=work.steps,
                two_pass=work.half_resolution,
                control=work.control.type if work.control else None,
                preprocessed=bool(work.control and work.control.preprocessed),
            )
        case SpatialUpscaleInput():
            return recipes.spatial(work.quality, upscale=work.upscale, detailer=work.detailer)
        case TemporalUpscaleInput():
            return recipes.TemporalRecipe()


def models_of(work: StageInput) -> dict[str, str]:
    """File name -> identity, of every weight file that the run reads."""
    match work:
        case BaseGenInput():
            chosen = models.base_gen_files(
                quality=work.quality,
                precision=work.precision,
                camera=work.lora_camera,
                text_encoder_form=work.text_encoder,
                control=work.control.type if work.control else None,
                preprocessed=bool(work.control and work.control.preprocessed),
            )
        case SpatialUpscaleInput():
            chosen = models.spatial_upscale_files(
                quality=work.quality,
                precision=work.precision,
                camera=work.camera,
                upscale=work.upscale,
                detailer=work.detailer,
            )
        case TemporalUpscaleInput():
            chosen = models.temporal_upscale_files()
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
    upstream: Manifest,
    stage: Stage,
    *,
    ending: str,
    attempt_id: AttemptId,
    generation_id: str | None,
    detailer: bool = False,
) -> StageInput:
    """The input of a later stage, from what the stage before it left behind.

    The spatial stage doubles half-size latents; full-size ones it can only give detail. Raises ValidationError or
    KeyError when the manifest does not hold what the stage needs, UserError for a stage that would have no work.
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
    if detailer and stage is not Stage.SPATIAL_UPSCALE:
        raise UserError("invalid_input", "the detailer belongs to spatial_upscale", field="detailer")
    if stage is Stage.TEMPORAL_UPSCALE:
        return TemporalUpscaleInput.model_validate({**common, "half_resolution": params["half_resolution"]})
    if stage is Stage.BASE_GEN:
        raise ValueError("nothing comes before base_gen")
    upscale = params["half_resolution"]
    if not upscale and not detailer:
        raise UserError("invalid_input", "these latents are at full size already; spatial_upscale doubles half ones")
    return SpatialUpscaleInput.model_validate(
        {
            **common,
            "quality": params["quality"],
            "precision": params["precision"],
            "camera": Camera.NONE if params["control"] else params["camera"],
            "seed": params["seed"],
            "upscale": upscale,
            "detailer": detailer,
            "conditioning": made["conditioning"] if upscale else None,
            "detail_conditioning": made["detail_conditioning"] if detailer else None,
            "image": made.get("image") if upscale else None,
        }
    )
