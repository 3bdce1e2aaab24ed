"""Request -> plan, for every combination of the toggles."""

from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan import Plan, make_plan, order_of, stage_input
from orchestrator.pricing import credits_for
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import (
    INPUT_OF,
    MAX_SEED,
    BaseGenParams,
    SpatialUpscaleParams,
)
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution, Stage, TextEncoder
from shared.geometry import durations

brisk = settings(deadline=None, database=None, max_examples=50)

UPLOAD = "0123456789abcdef" * 2
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "draft": (256, 144)}
SEEDS = st.integers(0, MAX_SEED)
VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Z"])


@st.composite
def controls(draw: st.DrawFn, *, source: bool) -> dict[str, Any]:
    sources: list[dict[str, Any]] = [{"upload_id": UPLOAD}, {"video_url": "https://example.com/dance.mp4"}]
    return {
        "type": str(draw(st.sampled_from(ControlType))),
        "preprocessed": draw(st.booleans()),
        "strength": draw(st.floats(0, 1)),
        **draw(st.sampled_from([*sources, {"source": "image"}] if source else sources)),
    }


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Any legal request that can be planned, as JSON."""
    resolution, quality = draw(st.sampled_from(Resolution)), draw(st.sampled_from(Quality))
    image: dict[str, Any] = draw(
        st.sampled_from([{}, {"upload_id": UPLOAD}, {"image_urls": ["https://example.com/cat.png"]}])
    )
    control = draw(controls(source=bool(image)) | st.none())
    cameras = [Camera.STATIC, Camera.NONE] if control else list(Camera)
    models = ["ltx-2", "ltx-2-i2v" if image else "ltx-2-t2v"]
    body: dict[str, Any] = {
        "model": draw(st.sampled_from(models)),
        "prompt": draw(st.text(VISIBLE, min_size=1, max_size=60)),
        "quality": str(quality),
        "resolution": str(resolution),
        "duration": draw(st.sampled_from(durations(resolution))),
        draw(st.sampled_from(["camera", "camera_lora"])): str(draw(st.sampled_from(cameras))),
        "spatial_upscale": draw(st.booleans()),
        "temporal_upscale": draw(st.booleans()),
        "detailer": draw(st.booleans()),
        "early_look": draw(st.booleans()),
        "precision": str(draw(st.sampled_from(Precision))),
        "seed": draw(SEEDS | st.none()),
        "metadata": draw(st.dictionaries(st.text(VISIBLE, max_size=9), st.text(VISIBLE, max_size=20), max_size=3)),
        **image,
        **({"control": control} if control else {}),
    }
    if quality is Quality.PRO:
        body["steps"] = draw(st.integers(20, 40) | st.none())
    return body


def parse(body: dict[str, Any]) -> GenerationRequest:
    return GenerationRequest.model_validate(body, context={"allow_draft": True})


def plan_of(**fields: Any) -> Plan:
    return make_plan(parse({"prompt": "a cat", **fields}), seed=7)


ORDERS = [
    # spatial, temporal, stages
    (False, False, ["base_gen"]),
    (True, False, ["base_gen", "spatial_upscale"]),
    (False, True, ["base_gen", "temporal_upscale"]),
    (True, True, ["base_gen", "spatial_upscale", "temporal_upscale"]),
]


@pytest.mark.parametrize(("spatial", "temporal", "stages"), ORDERS)
def test_the_order_of_the_stages(spatial: bool, temporal: bool, stages: list[str]) -> None:
    plan = plan_of(spatial_upscale=spatial, temporal_upscale=temporal)
    assert list(plan.order) == stages
    assert [step.params.ending for step in plan.stages] == ["latents"] * (len(stages) - 1) + ["video"]
    assert [step.params.half_resolution for step in plan.stages] == [spatial, *[False] * (len(stages) - 1)]


@pytest.mark.parametrize("upscale", [True, False])
@pytest.mark.parametrize("temporal", [True, False])
def test_the_detailer_runs_in_the_spatial_stage(upscale: bool, temporal: bool) -> None:
    plan = plan_of(spatial_upscale=upscale, temporal_upscale=temporal, detailer=True)
    assert list(plan.order) == ["base_gen", "spatial_upscale", *(["temporal_upscale"] if temporal else [])]
    base, spatial = (step.params for step in plan.stages[:2])
    assert isinstance(base, BaseGenParams)
    assert isinstance(spatial, SpatialUpscaleParams)
    assert (base.half_resolution, base.ending) == (upscale, "latents")
    assert (spatial.upscale, spatial.detailer) == (upscale, True)


def test_a_control_is_for_the_base_and_leaves_no_camera() -> None:
    control = {"type": "pose", "upload_id": UPLOAD, "preprocessed": True, "strength": 0.25}
    base, spatial = (step.params for step in plan_of(control=control).stages)
    assert isinstance(base, BaseGenParams)
    assert isinstance(spatial, SpatialUpscaleParams)
    assert base.control
    assert base.control.model_dump() == {"type": "pose", "preprocessed": True, "strength": 0.25}
    assert (base.camera, spatial.camera) == (Camera.NONE, Camera.NONE)
    assert plan_of(control=control, camera="none") == plan_of(control=control, camera="static")


def test_the_text_encoder_is_the_settings_and_not_the_users() -> None:
    request = parse({"prompt": "a cat"})
    for form in TextEncoder:
        base = make_plan(request, seed=7, text_encoder=form).of(Stage.BASE_GEN).params
        assert isinstance(base, BaseGenParams)
        assert base.text_encoder is form


DELIVERED = list(product(SIZES, (False, True), (False, True)))


@pytest.mark.parametrize(("resolution", "spatial", "temporal"), DELIVERED)
def test_what_is_delivered_is_exactly_what_was_paid_for(resolution: str, spatial: bool, temporal: bool) -> None:
    for seconds in durations(Resolution(resolution)):
        plan = plan_of(resolution=resolution, duration=seconds, spatial_upscale=spatial, temporal_upscale=temporal)
        delivers = plan.delivers
        assert (delivers.width, delivers.height) == SIZES[resolution]
        assert delivers.fps == (48 if temporal else 24)
        assert (delivers.frames, delivers.seconds) == (delivers.fps * seconds, seconds)


def test_the_params_of_each_stage() -> None:
    body = {"quality": "pro", "precision": "full", "camera": "jib_down", "resolution": "1080p", "duration": 15}
    plan = plan_of(**body, steps=33, temporal_upscale=True)
    base, spatial, temporal = (step.params for step in plan.stages)
    assert isinstance(base, BaseGenParams)
    assert isinstance(spatial, SpatialUpscaleParams)
    assert (base.prompt, base.steps) == ("a cat", 33)
    for params in (base, spatial):
        assert (params.quality, params.precision, params.camera) == ("pro", "full", "jib_down")
        assert params.seed == plan.seed == 7
    for each in (base, spatial, temporal):
        assert (each.resolution, each.duration) == ("1080p", 15)


def test_the_way_through_a_plan() -> None:
    plan = plan_of(temporal_upscale=True)
    assert [plan.before(stage) for stage in plan.order] == [None, *plan.order[:-1]]
    assert [plan.of(stage).stage for stage in plan.order] == list(plan.order)
    with pytest.raises(KeyError):
        plan_of().of(Stage.TEMPORAL_UPSCALE)


CONTROL = {"control": {"type": "depth", "upload_id": UPLOAD}}
WAYS: list[dict[str, Any]] = [
    {},
    {"quality": "pro"},
    {"temporal_upscale": True},
    {"spatial_upscale": False},
    {"detailer": True},
    CONTROL,
]


@pytest.mark.parametrize("fields", WAYS)
@pytest.mark.parametrize("resolution", list(SIZES))
def test_longer_takes_longer_and_may_take_longer(fields: dict[str, Any], resolution: str) -> None:
    plans = [plan_of(**fields, resolution=resolution, duration=each) for each in durations(Resolution(resolution))]
    for shorter, longer in pairwise(plans):
        assert shorter.estimated_seconds < longer.estimated_seconds
        for before, after in zip(shorter.stages, longer.stages, strict=True):
            assert before.estimated_seconds < after.estimated_seconds
            assert before.deadline_seconds < after.deadline_seconds


@pytest.mark.parametrize("fields", [{"detailer": True}, CONTROL])
def test_more_work_takes_longer(fields: dict[str, Any]) -> None:
    assert plan_of(**fields).estimated_seconds > plan_of().estimated_seconds


@brisk
@given(bodies(), SEEDS)
def test_any_legal_request_gives_a_sound_plan(body: dict[str, Any], seed: int) -> None:
    request = parse(body)
    plan = make_plan(request, seed=seed)
    assert plan.order == order_of(request)
    assert plan.order[0] is Stage.BASE_GEN
    assert list(plan.order) == [stage for stage in Stage if stage in plan.order], "in order, none twice"
    videos = [step for step in plan.stages if step.params.ending == "video"]
    assert videos == [plan.stages[-1]]
    assert all(0 < step.estimated_seconds < step.deadline_seconds for step in plan.stages)
    assert plan.estimated_seconds == pytest.approx(sum(step.estimated_seconds for step in plan.stages), abs=0.1)
    assert plan.seed == seed
    assert credits_for(request.quality, request.resolution, request.duration) >= 0


@brisk
@given(bodies(), SEEDS)
def test_a_plan_is_deterministic_and_survives_json(body: dict[str, Any], seed: int) -> None:
    plan = make_plan(parse(body), seed=seed)
    assert make_plan(parse(body), seed=seed) == plan
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert [type(step.params) for step in again.stages] == [type(step.params) for step in plan.stages]
    assert GenerationRequest.model_validate_json(parse(body).model_dump_json(), context={"allow_draft": True}) == parse(
        body
    )


@brisk
@given(bodies(), SEEDS)
def test_every_stage_gets_what_the_plan_says(
    make_artifact: Any, make_manifest: Any, body: dict[str, Any], seed: int
) -> None:
    request = parse(body)
    image = make_artifact("image") if request.has_image else None
    source = make_artifact("control") if request.control else None
    plan, upstream = make_plan(request, seed=seed), None
    for step in plan.stages:
        work = stage_input(
            step, attempt_id="a" * 32, generation_id="g", image=image, upstream=upstream, control_source=source
        )
        assert type(work) is INPUT_OF[step.stage]
        planned = step.params.model_dump()
        assert work.model_dump(include=set(planned)) == planned
        if step.stage is Stage.BASE_GEN or getattr(work, "upscale", False):
            assert getattr(work, "image", None) == image
        assert getattr(work, "control_source", None) == (source if step.stage is Stage.BASE_GEN else None)
        upstream = make_manifest(work)


def test_a_later_stage_needs_the_stage_before_it() -> None:
    with pytest.raises(ValueError, match="needs the manifest"):
        stage_input(plan_of().stages[1], attempt_id="a" * 32, generation_id="g", image=None, upstream=None)
