"""`stage_key`: by content alone, and by all of the content."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan import make_plan, stage_input
from shared import models, recipes
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import (
    Attempt,
    BaseGenInput,
    SpatialUpscaleInput,
    StageInput,
    TemporalUpscaleInput,
)
from shared.contracts.vocabulary import Quality, Stage
from shared.errors import UserError

brisk = settings(deadline=None, database=None, max_examples=60)

PROMPT = "a cat called Schroedinger walks along the harbour"
A, B = "a" * 32, "b" * 32


@dataclass(frozen=True)
class Worlds:
    base: BaseGenInput
    spatial: SpatialUpscaleInput
    temporal: TemporalUpscaleInput

    def all(self) -> tuple[StageInput, ...]:
        return (self.base, self.spatial, self.temporal)


@pytest.fixture(scope="session")
def works(make_artifact: Any) -> Worlds:
    image, video, audio, text = (make_artifact(name) for name in ("image", "video", "audio", "text"))
    made = {"attempt_id": A, "video_latent": video, "audio_latent": audio}
    return Worlds(
        BaseGenInput(prompt=PROMPT, quality=Quality.PRO, image=image, attempt_id=A, ending="latents"),
        SpatialUpscaleInput(**made, conditioning=text, image=image, quality=Quality.PRO),
        TemporalUpscaleInput(**made),
    )


def other(name: str) -> Artifact:
    digest = hashlib.sha256(f"other {name}".encode()).hexdigest()
    return Artifact(key=f"inputs/other-{name}", sha256=digest, bytes=1, media_type="image/png")


SHAPES: dict[str, Any] = {  # a different legal value of every field that shapes the output
    "prompt": "a dog",
    "resolution": "1080p",
    "duration": 15,
    "half_resolution": None,  # the other boolean
    "ending": None,  # the other ending
    "quality": "fast",
    "precision": "full",
    "camera": "jib_up",
    "seed": 11,
    "steps": 40,
    "image": other("image"),
    "video_latent": other("video_latent"),
    "audio_latent": other("audio_latent"),
    "conditioning": other("conditioning"),
}
FIXED = {(SpatialUpscaleInput, "half_resolution"), (TemporalUpscaleInput, "ending")}
KINDS = (BaseGenInput, SpatialUpscaleInput, TemporalUpscaleInput)
FIELDS = [
    (kind, name)
    for kind in KINDS
    for name in kind.model_fields
    if name not in Attempt.model_fields and name != "contract_version" and (kind, name) not in FIXED
]


def changed(work: StageInput, name: str) -> StageInput:
    value = SHAPES[name]  # KeyError: a new field; decide whether it shapes the output
    if name == "half_resolution":
        value = not work.half_resolution
    if name == "ending":
        value = "video" if work.ending == "latents" else "latents"
    return type(work).model_validate(work.model_dump() | {name: value})


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_every_field_that_shapes_the_output_changes_the_key(works: Worlds, kind: type, name: str) -> None:
    work = next(each for each in works.all() if type(each) is kind)
    assert keys.stage_key(changed(work, name)) != keys.stage_key(work)


@brisk
@given(st.uuids(), st.text("0123456789abcdef-", max_size=36) | st.none())
def test_who_asks_changes_no_key(works: Worlds, attempt: Any, generation_id: str | None) -> None:
    for work in works.all():
        again = work.model_copy(update={"attempt_id": attempt.hex, "generation_id": generation_id})
        assert keys.stage_key(again) == keys.stage_key(work)


def test_inputs_count_by_their_hash_and_by_nothing_else(works: Worlds) -> None:
    for work in works.all():
        for role, artifact in keys.inputs_of(work).items():
            moved = artifact.model_copy(update={"key": "elsewhere", "bytes": 7, "media_type": "x/y", "shape": (1,)})
            assert keys.stage_key(work.model_copy(update={role: moved})) == keys.stage_key(work)


def test_swapped_inputs_are_another_work(works: Worlds) -> None:
    work = works.temporal
    swapped = {"video_latent": work.audio_latent, "audio_latent": work.video_latent}
    assert keys.stage_key(work.model_copy(update=swapped)) != keys.stage_key(work)


def test_the_stages_of_equal_inputs_differ(works: Worlds) -> None:
    assert len({keys.stage_key(work) for work in works.all()}) == 3


def test_a_key_is_64_hex_digits_and_the_same_in_every_process() -> None:
    work = BaseGenInput(prompt="a cat", attempt_id=A)
    # raise CONTRACT_VERSION or change a recipe or a model, and this key changes; nothing else may change it
    pinned = "2f295b88aa2d04ca0ec545c2aba71c91b69d4307fbd283a2302a345880d70cf9"  # pragma: allowlist secret
    assert keys.stage_key(work) == pinned


def test_steps_count_as_what_they_come_to() -> None:
    def key(steps: int | None) -> str:
        return keys.stage_key(BaseGenInput(prompt="x", quality=Quality.PRO, steps=steps))

    assert key(None) == key(20) != key(21)


def test_a_new_contract_version_makes_new_artifacts(works: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [keys.stage_key(work) for work in works.all()]
    monkeypatch.setattr(keys, "CONTRACT_VERSION", 2)
    assert not set(before) & {keys.stage_key(work) for work in works.all()}


def test_a_changed_recipe_makes_new_artifacts(works: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.stage_key(works.base)
    monkeypatch.setattr(recipes, "NEGATIVE_PROMPT", "hands")
    assert keys.stage_key(works.base) != before


@pytest.mark.parametrize(
    "role",
    ["checkpoint/dev/fp8", "text_encoder/fp8", "camera/static", "upscaler/spatial", "lora/distilled", "video_vae"],
)
def test_a_changed_model_makes_new_artifacts_of_the_stages_that_read_it(
    works: Worlds, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    reads = {work: models.file(role).name in keys.models_of(work) for work in works.all()}
    before = {work: keys.stage_key(work) for work in works.all()}
    newer = models.file(role).model_copy(update={"sha256": "f" * 64})
    files = models.all_files() | {role: newer}
    monkeypatch.setattr(models, "all_files", lambda: files)
    assert {work: keys.stage_key(work) != before[work] for work in works.all()} == reads
    assert any(reads.values())


def test_what_a_manifest_shows_never_holds_the_prompt(works: Worlds, make_manifest: Any) -> None:
    text = make_manifest(works.base).model_dump_json()
    assert not [word for word in PROMPT.split() if len(word) > 3 and word in text]
    assert hashlib.sha256(PROMPT.encode()).hexdigest() in text
    for work in works.all():
        params = keys.params_of(work)
        assert not params.keys() & {"prompt", "attempt_id", "generation_id", "image", "video_latent"}


def base_input(**fields: Any) -> StageInput:
    plan = make_plan(GenerationRequest.model_validate({"prompt": PROMPT, **fields}), seed=7)
    return stage_input(plan.stages[0], attempt_id=A, generation_id="g", image=None, upstream=None)


def test_smoother_reuses_the_base_stage_of_two_passes() -> None:
    plain, smooth = base_input(temporal_upscale=False), base_input(temporal_upscale=True)
    assert keys.stage_key(plain) == keys.stage_key(smooth)


def test_smoother_reuses_the_latents_of_a_run_that_decoded(make_manifest: Any) -> None:
    plain, smooth = base_input(spatial_upscale=False), base_input(spatial_upscale=False, temporal_upscale=True)
    assert keys.stage_key(plain) != keys.stage_key(smooth)
    standing_in = keys.latents_only(plain)
    assert standing_in is not None
    assert keys.stage_key(standing_in) == keys.stage_key(smooth)
    base = make_manifest(base_input())

    def spatial(ending: str) -> StageInput:
        return keys.after(base, Stage.SPATIAL_UPSCALE, ending=ending, attempt_id=A, generation_id=None)

    standing_in = keys.latents_only(spatial("video"))
    assert standing_in is not None
    assert keys.stage_key(standing_in) == keys.stage_key(spatial("latents")) != keys.stage_key(spatial("video"))


def test_only_a_run_that_decodes_and_samples_stands_for_another(works: Worlds) -> None:
    assert keys.latents_only(works.base) is None  # ends with latents already
    assert keys.latents_only(works.temporal) is None


def test_after_base_gen_comes_the_refine_of_the_same_video(works: Worlds, make_manifest: Any) -> None:
    unusual = {"resolution": "1080p", "duration": 20, "precision": "full", "camera": "jib_up", "seed": 99}
    base = BaseGenInput.model_validate(works.base.model_dump() | unusual)
    upstream = make_manifest(base)
    found = keys.after(upstream, Stage.SPATIAL_UPSCALE, ending="latents", attempt_id=B, generation_id="g")
    assert isinstance(found, SpatialUpscaleInput)
    for name in ("resolution", "duration", "quality", "precision", "camera", "seed", "image"):
        assert getattr(found, name) == getattr(base, name)
    for role in ("video_latent", "audio_latent", "conditioning"):
        assert getattr(found, role) == upstream.artifacts[role]
    assert (found.half_resolution, found.ending, found.attempt_id, found.generation_id) == (False, "latents", B, "g")


@pytest.mark.parametrize("which", ["base", "spatial"])
def test_after_either_comes_the_temporal_upscale(works: Worlds, make_manifest: Any, which: str) -> None:
    work = getattr(works, which)
    upstream = make_manifest(work)
    found = keys.after(upstream, Stage.TEMPORAL_UPSCALE, ending="video", attempt_id=B, generation_id=None)
    assert isinstance(found, TemporalUpscaleInput)
    assert keys.inputs_of(found) == {role: upstream.artifacts[role] for role in ("video_latent", "audio_latent")}
    assert (found.resolution, found.duration) == (work.resolution, work.duration)
    assert found.half_resolution is work.half_resolution


def test_after_refuses_what_cannot_follow(works: Worlds, make_manifest: Any) -> None:
    def after(work: StageInput, stage: Stage, *lost: str) -> StageInput:
        manifest = make_manifest(work)
        left = {role: made for role, made in manifest.artifacts.items() if role not in lost}
        manifest = manifest.model_copy(update={"artifacts": left})
        return keys.after(manifest, stage, ending="video", attempt_id=B, generation_id=None)

    with pytest.raises(ValueError, match="nothing comes before"):
        after(works.base, Stage.BASE_GEN)
    with pytest.raises(KeyError, match="conditioning"):
        after(works.base, Stage.SPATIAL_UPSCALE, "conditioning")
    with pytest.raises(KeyError, match="audio_latent"):
        after(works.spatial, Stage.TEMPORAL_UPSCALE, "audio_latent")
    with pytest.raises(UserError, match="full size"):
        after(works.base.model_copy(update={"half_resolution": False}), Stage.SPATIAL_UPSCALE)


def test_without_an_image_there_is_none_downstream(works: Worlds, make_manifest: Any) -> None:
    upstream = make_manifest(works.base.model_copy(update={"image": None}))
    found = keys.after(upstream, Stage.SPATIAL_UPSCALE, ending="video", attempt_id=B, generation_id=None)
    assert "image" not in keys.inputs_of(found)
