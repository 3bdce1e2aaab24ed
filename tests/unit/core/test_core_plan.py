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
from shared.contracts.vocabulary import Camera, Precision, Quality, Resolution, Stage
from shared.errors import UserError
from shared.geometry import durations

brisk = settings(deadline=None, database=None, max_examples=50)

UPLOAD = "0123456789abcdef" * 2
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "draft": (256, 144)}
SEEDS = st.integers(0, MAX_SEED)
VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Z"])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Any legal request that can be planned, as JSON."""
    resolution, quality = draw(st.sampled_from(Resolution)), draw(st.sampled_from(Quality))
    image: dict[str, Any] = draw(
        st.sampled_from([{}, {"upload_id": UPLOAD}, {"image_urls": ["https://example.com/cat.png"]}])
    )
    models = ["ltx-2", "ltx-2-i2v" if image else "ltx-2-t2v"]
    body: dict[str, Any] = {
        "model": draw(st.sampled_from(models)),
        "prompt": draw(st.text(VISIBLE, min_size=1, max_size=60)),
        "quality": str(quality),
        "resolution": str(resolution),
        "duration": draw(st.sampled_from(durations(resolution))),
        draw(st.sampled_from(["camera", "camera_lora"])): str(draw(st.sampled_from(Camera))),
        "spatial_upscale": draw(st.booleans()),
        "temporal_upscale": draw(st.booleans()),
        "early_look": draw(st.booleans()),
        "precision": str(draw(st.sampled_from(Precision))),
        "seed": draw(SEEDS | st.none()),
        "metadata": draw(st.dictionaries(st.text(VISIBLE, max_size=9), st.text(VISIBLE, max_size=20), max_size=3)),
        **image,
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


def test_the_detailer_runs_in_the_spatial_stage() -> None:
    assert list(order_of(parse({"prompt": "x", "spatial_upscale": False, "detailer": True}))) == ORDERS[1][2]


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
    assert [plan.next_after(stage) for stage in plan.order] == [*plan.order[1:], None]
    assert [plan.before(stage) for stage in plan.order] == [None, *plan.order[:-1]]
    assert [plan.of(stage).stage for stage in plan.order] == list(plan.order)
    with pytest.raises(KeyError):
        plan_of().of(Stage.TEMPORAL_UPSCALE)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"control": {"type": "depth", "upload_id": UPLOAD}}, "control"), ({"detailer": True}, "detailer")],
)
def test_what_is_not_built_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as caught:
        plan_of(**fields)
    assert caught.value.code == "invalid_input"
    assert caught.value.detail == {"field": field}


@pytest.mark.parametrize("fields", [{}, {"quality": "pro"}, {"temporal_upscale": True}, {"spatial_upscale": False}])
@pytest.mark.parametrize("resolution", list(SIZES))
def test_longer_takes_longer_and_may_take_longer(fields: dict[str, Any], resolution: str) -> None:
    plans = [plan_of(**fields, resolution=resolution, duration=each) for each in durations(Resolution(resolution))]
    for shorter, longer in pairwise(plans):
        assert shorter.estimated_seconds < longer.estimated_seconds
        for before, after in zip(shorter.stages, longer.stages, strict=True):
            assert before.estimated_seconds < after.estimated_seconds
            assert before.deadline_seconds < after.deadline_seconds


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
    plan, upstream = make_plan(request, seed=seed), None
    for step in plan.stages:
        work = stage_input(step, attempt_id="a" * 32, generation_id="g", image=image, upstream=upstream)
        assert type(work) is INPUT_OF[step.stage]
        planned = step.params.model_dump()
        assert {name: getattr(work, name) for name in planned} == planned
        assert getattr(work, "image", image) == image
        upstream = make_manifest(work)


def test_a_later_stage_needs_the_stage_before_it() -> None:
    with pytest.raises(ValueError, match="needs the manifest"):
        stage_input(plan_of().stages[1], attempt_id="a" * 32, generation_id="g", image=None, upstream=None)
