"""What RunPod hands over -> what the stage has to do."""

from typing import Any

from pydantic import ValidationError

from shared.artifacts import ArtifactStore
from shared.contracts import keys
from shared.contracts.artifact import Manifest, stage_key_of_latents
from shared.contracts.stage import INPUT_OF, FromUpstream, StageInput
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError, UpstreamError, UserError


def parse(stage: Stage, raw: object, store: ArtifactStore) -> StageInput:
    """The stage's input. UserError invalid_input names the fields; FatalError contract_mismatch another version.

    The hand-written form names a manifest or latents, and reads from S3 what they were made of.
    """
    if not isinstance(raw, dict):
        raise UserError("invalid_input", "the job has no input object", stage=stage)
    version = raw.get("contract_version", CONTRACT_VERSION)
    if version != CONTRACT_VERSION:
        said = (
            str(version)[:20] if isinstance(version, int) else f"of {type(version).__name__}"
        )  # never a sender's text
        raise FatalError(
            "contract_mismatch", f"the input has contract version {said}, this worker speaks {CONTRACT_VERSION}"
        )
    try:
        if stage is not Stage.BASE_GEN and raw.keys() & {"manifest", "latents"}:
            return _continue(stage, FromUpstream.model_validate(raw), store)
        return INPUT_OF[stage].model_validate(raw)
    except ValidationError as error:
        raise UserError("invalid_input", _said(error), stage=stage) from error


def _said(error: ValidationError) -> str:
    """Fields and reasons, never values: they may be prompts."""
    problems = [
        f"{'.'.join(map(str, item['loc'])) or 'input'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    ]
    return "; ".join(problems)


def _continue(stage: Stage, reference: FromUpstream, store: ArtifactStore) -> StageInput:
    upstream = _upstream(reference, store)
    ending: dict[str, Any] = {"ending": reference.ending}
    try:
        return keys.after(
            upstream,
            stage,
            **ending,
            attempt_id=reference.attempt_id,
            generation_id=reference.generation_id,
            detailer=reference.detailer,
        )
    except KeyError as error:
        raise UserError(
            "invalid_input",
            f"{stage} cannot go on from that {upstream.stage} run: it left no {error.args[0]}",
            stage=stage,
        ) from error


def _upstream(reference: FromUpstream, store: ArtifactStore) -> Manifest:
    if reference.manifest is not None:
        return store.read_manifest_at(reference.manifest)
    try:
        stage_key = stage_key_of_latents(reference.latents or "")
    except ValueError as error:
        raise UserError("invalid_input", f"latents: {error}") from error
    for stage in (Stage.SPATIAL_UPSCALE, Stage.BASE_GEN):
        found = store.read_manifest(stage, stage_key)
        if found is not None:
            return found
    raise UpstreamError("artifact_missing", "no stage has left a manifest for these latents", key=reference.latents)
