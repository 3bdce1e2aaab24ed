"""`stage_key`: by content alone, and by all of the content."""

import hashlib
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
from shared.contracts.vocabulary import CONTRACT_VERSION, Quality, Stage

brisk = settings(deadline=None, database=None, max_examples=60)

A = "a" * 32


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
    "control": None,  # the other type
    "text_encoder": "folder",
    "detailer": None,  # the other boolean
    "upscale": None,
    "detail_conditioning": other("detail_conditioning"),
    "control_source": other("control_source"),
    "image": other("image"),
    "video_latent": other("video_latent"),
    "audio_latent": other("audio_latent"),
    "conditioning": other("conditioning"),
}
FIXED = {(SpatialUpscaleInput, "half_resolution"), (TemporalUpscaleInput, "ending")}
NO_WORK = {*Attempt.model_fields, "contract_version", "early_look"}
"""The version is a constant; an early look is made of what the work has left."""
KINDS = (BaseGenInput, SpatialUpscaleInput, TemporalUpscaleInput)
FIELDS = [
    (kind, name) for kind in KINDS for name in kind.model_fields if name not in NO_WORK and (kind, name) not in FIXED
]


def changed(work: StageInput, name: str) -> StageInput:
    value = SHAPES[name]  # KeyError: a new field; decide whether it shapes the output
    if isinstance(getattr(work, name), bool):
        value = not getattr(work, name)
    if name == "ending":
        value = "video" if work.ending == "latents" else "latents"
    if name == "control":
        value = {"type": "pose"}
    fields = work.model_dump() | {name: value}
    if name == "camera" and isinstance(work, BaseGenInput):  # a control allows none but static
        fields |= {"control": None, "control_source": None}
    if name == "upscale":
        fields |= {"conditioning": None, "image": None}
    if name == "detailer" and isinstance(work, SpatialUpscaleInput):
        fields |= {"detail_conditioning": None}
    return type(work).model_validate(fields)


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_every_field_that_shapes_the_output_changes_the_key(works: Any, kind: type, name: str) -> None:
    work = next(filter(lambda each: type(each) is kind, works.all()))
    assert keys.stage_key(changed(work, name)) != keys.stage_key(work)


@brisk
@given(st.uuids(), st.text("0123456789abcdef-", max_size=36) | st.none())
def test_who_asks_changes_no_key(works: Any, attempt: Any, generation_id: str | None) -> None:
    for work in works.all():
        again = work.model_copy(update={"attempt_id": attempt.hex, "generation_id": generation_id})
        assert keys.stage_key(again) == keys.stage_key(work)


def test_an_early_look_changes_no_key() -> None:
    without, with_it = (BaseGenInput(prompt="x", ending="latents", early_look=wanted) for wanted in (False, True))
    assert keys.stage_key(with_it) == keys.stage_key(without)


def test_inputs_count_by_their_hash_and_by_nothing_else(works: Any) -> None:
    for work in works.all():
        for role, artifact in keys.inputs_of(work).items():
            moved = artifact.model_copy(update={"key": "elsewhere", "bytes": 7, "media_type": "x/y", "shape": (1,)})
            assert keys.stage_key(work.model_copy(update={role: moved})) == keys.stage_key(work)


def test_swapped_inputs_are_another_work(works: Any) -> None:
    work = works.temporal
    swapped = {"video_latent": work.audio_latent, "audio_latent": work.video_latent}
    assert keys.stage_key(work.model_copy(update=swapped)) != keys.stage_key(work)


def test_the_stages_of_equal_inputs_differ(works: Any) -> None:
    assert len({keys.stage_key(work) for work in works.all()}) == 3


def test_a_key_is_64_hex_digits_and_the_same_in_every_process() -> None:
    work = BaseGenInput(prompt="a cat", attempt_id=A)
    # raise CONTRACT_VERSION or change a recipe or a model, and this key changes; nothing else may change it
    pinned = "95e706a04630c38416e9685976bda00901dc41f0b9d1b0d9be0139b905dd3dc3"  # pragma: allowlist secret
    assert keys.stage_key(work) == pinned


def test_steps_count_as_what_they_come_to() -> None:
    def key(steps: int | None) -> str:
        return keys.stage_key(BaseGenInput(prompt="x", quality=Quality.PRO, steps=steps))

    assert key(None) == key(20) != key(21)


def test_a_new_contract_version_makes_new_artifacts(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [keys.stage_key(work) for work in works.all()]
    monkeypatch.setattr(keys, "CONTRACT_VERSION", CONTRACT_VERSION + 1)
    assert not set(before) & {keys.stage_key(work) for work in works.all()}


def test_a_changed_recipe_makes_new_artifacts(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.stage_key(works.base)
    monkeypatch.setattr(recipes, "NEGATIVE_PROMPT", "hands")
    assert keys.stage_key(works.base) != before


@pytest.mark.parametrize(
    "role",
    [
        *("checkpoint/dev/fp8", "text_encoder/fp8", "camera/static", "upscaler/spatial", "lora/distilled"),
        *("video_vae", "lora/detailer", "control/depth", "map/depth"),
    ],
)
def test_a_changed_model_makes_new_artifacts_of_the_stages_that_read_it(
    works: Any, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    reads = {work: models.file(role).name in keys.models_of(work) for work in works.all()}
    before = {work: keys.stage_key(work) for work in works.all()}
    newer = models.file(role).model_copy(update={"sha256": "f" * 64})
    files = models.all_files() | {role: newer}
    monkeypatch.setattr(models, "all_files", lambda: files)
    assert {work: keys.stage_key(work) != before[work] for work in works.all()} == reads
    assert any(reads.values())


def test_what_a_manifest_shows_never_holds_the_prompt(works: Any, make_manifest: Any) -> None:
    text = make_manifest(works.base).model_dump_json()
    assert not [word for word in works.base.prompt.split() if len(word) > 3 and word in text]
    assert hashlib.sha256(works.base.prompt.encode()).hexdigest() in text
    for work in works.all():
        params = keys.params_of(work)
        assert not params.keys() & {"prompt", "attempt_id", "generation_id", "image", "video_latent"}


def base_input(**fields: Any) -> StageInput:
    plan = make_plan(GenerationRequest.model_validate({"prompt": "a cat", **fields}), seed=7)
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


def test_only_a_run_that_decodes_and_samples_stands_for_another(works: Any) -> None:
    assert keys.latents_only(works.base) is None  # ends with latents already
    assert keys.latents_only(works.temporal) is None
