"""Sampling constants and time estimates against facts/ltx2.md sections 2 and 6."""

from itertools import pairwise, product

import pytest

from shared import durations, recipes
from shared.contracts.vocabulary import ControlType, Quality, Resolution, Stage
from shared.controls import CONTROLS
from shared.geometry import PAID_DURATIONS, clip, latent_frames
from shared.geometry import durations as sold

PAID = (Resolution.HD, Resolution.FULL_HD)


def test_sigmas_are_those_of_the_reference_pipelines() -> None:
    assert recipes.DISTILLED_SIGMAS == (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)
    assert recipes.REFINE_SIGMAS == (0.909375, 0.725, 0.421875, 0.0)
    for sigmas in (recipes.DISTILLED_SIGMAS, recipes.REFINE_SIGMAS):
        assert all(before > after for before, after in pairwise(sigmas))


@pytest.mark.parametrize("two_pass", [True, False])
def test_fast_is_eight_steps_without_guidance(two_pass: bool) -> None:
    recipe = recipes.base(Quality.FAST, steps=None, two_pass=two_pass)
    assert (recipe.steps, recipe.cfg, recipe.negative_prompt, recipe.scheduler) == (8, 1.0, None, None)


@pytest.mark.parametrize(("asked", "taken"), [(None, 20), (20, 20), (33, 33), (40, 40)])
def test_pro_is_guided_by_a_scheduler(asked: int | None, taken: int) -> None:
    recipe = recipes.base(Quality.PRO, steps=asked, two_pass=True)
    assert (recipe.steps, recipe.cfg, recipe.sigmas) == (taken, 4.0, None)
    assert recipe.negative_prompt == recipes.NEGATIVE_PROMPT
    assert recipe.scheduler is not None
    assert (recipe.scheduler.max_shift, recipe.scheduler.base_shift) == (2.05, 0.95)
    assert (recipe.scheduler.terminal, recipe.scheduler.stretch) == (0.1, True)


@pytest.mark.parametrize("quality", Quality)
def test_the_image_is_held_loosely_where_a_refine_follows(quality: Quality) -> None:
    two = recipes.base(quality, steps=None, two_pass=True).image
    one = recipes.base(quality, steps=None, two_pass=False).image
    assert (two.compression, two.strength) == (33, 0.6)
    assert (one.compression, one.strength) == (33, 1.0)
    refined = recipes.refine(quality).image
    assert (refined.compression, refined.strength) == (None, 1.0)


def test_the_refine_is_three_steps_without_guidance_and_pro_adds_the_distilled_lora() -> None:
    fast, pro = recipes.refine(Quality.FAST), recipes.refine(Quality.PRO)
    assert (fast.steps, fast.cfg, fast.distilled_lora_strength) == (3, 1.0, None)
    assert (pro.steps, pro.cfg, pro.distilled_lora_strength) == (3, 1.0, 0.6)


@pytest.mark.parametrize("control", ControlType)
def test_a_control_lowers_cfg_of_pro_and_makes_its_map_unless_it_is_given(control: ControlType) -> None:
    fast = recipes.base(Quality.FAST, steps=None, two_pass=True, control=control)
    pro = recipes.base(Quality.PRO, steps=None, two_pass=True, control=control)
    given = recipes.base(Quality.PRO, steps=None, two_pass=True, control=control, preprocessed=True)
    assert (fast.cfg, pro.cfg, given.cfg) == (1.0, 3.0, 3.0)
    assert fast.control == pro.control == recipes.ControlGuide(map=CONTROLS[control].map, lora_strength=1.0)
    assert given.control == recipes.ControlGuide(map=None)


def test_the_spatial_stage_refines_or_details_or_both() -> None:
    both = recipes.spatial(Quality.PRO, upscale=True, detailer=True)
    assert both.refine == recipes.refine(Quality.PRO)
    assert both.detail == recipes.DetailRecipe()
    assert recipes.spatial(Quality.FAST, upscale=False, detailer=True).refine is None
    assert recipes.spatial(Quality.FAST, upscale=True, detailer=False).detail is None


def test_the_detailer_is_that_of_the_facts() -> None:
    detail = recipes.DetailRecipe()
    assert (detail.sigmas, detail.sampler, detail.cfg, detail.prompt) == (recipes.REFINE_SIGMAS, "euler", 1.0, "")
    assert (detail.temporal_tile_size, detail.temporal_overlap, detail.lora_strength) == (56, 24, 1.0)


@pytest.mark.parametrize("resolution", Resolution)
def test_every_clip_is_long_enough_for_the_detailer(resolution: Resolution) -> None:
    """With no more latent frames than its overlap the sampler fails (facts/comfyui.md section 2)."""
    for seconds in sold(resolution):
        assert latent_frames(clip(seconds).generate) > recipes.DetailRecipe().temporal_overlap // 8


ESTIMATES = [
    # stage, quality, resolution; two passes, steps, decodes; seconds for 10, 15 and 20 s: table + decode + 4
    ("base_gen fast 1080p", (True, None, False), (19, 30, 44)),
    ("base_gen pro 1080p", (True, None, False), (81, 136, 202)),
    ("base_gen pro 1080p", (True, 40, False), (158, 268, 400)),
    ("base_gen fast 720p", (True, None, False), (10.8, 14.3, 18.8)),
    ("base_gen fast 720p", (False, None, True), (49, 82, 125)),
    ("base_gen pro 1080p", (False, None, True), (618, 1199, 1955)),
    ("spatial_upscale pro 1080p", (True, 40, True), (67, 118, 183)),
    ("spatial_upscale fast 720p", (True, None, True), (25.7, 40.1, 57.8)),
    ("temporal_upscale fast 720p", (True, None, True), (20, 26, 34)),
    ("temporal_upscale pro 1080p", (False, None, True), (40, 56, 74)),
]


@pytest.mark.parametrize(("what", "how", "expected"), ESTIMATES)
def test_estimates_are_those_of_the_facts(
    what: str, how: tuple[bool, int | None, bool], expected: tuple[float, ...]
) -> None:
    stage, quality, resolution = what.split()
    two_pass, steps, decodes = how
    found = tuple(
        durations.parts(
            Stage(stage),
            quality=Quality(quality),
            resolution=Resolution(resolution),
            duration=seconds,
            two_pass=two_pass,
            steps=steps,
            decodes=decodes,
        ).total
        for seconds in PAID_DURATIONS
    )
    assert found == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("quality", "resolution", "seconds"), list(product(Quality, PAID, PAID_DURATIONS)))
def test_two_passes_are_quicker_than_one(quality: Quality, resolution: Resolution, seconds: int) -> None:
    def of(stage: Stage, *, two_pass: bool, decodes: bool) -> float:
        return durations.parts(
            stage, quality=quality, resolution=resolution, duration=seconds, two_pass=two_pass, decodes=decodes
        ).total

    two = of(Stage.BASE_GEN, two_pass=True, decodes=False) + of(Stage.SPATIAL_UPSCALE, two_pass=True, decodes=True)
    assert two < of(Stage.BASE_GEN, two_pass=False, decodes=True)


def test_a_control_and_a_detailer_cost_what_the_facts_say() -> None:
    def of(stage: Stage, **how: bool) -> float:
        return durations.parts(
            stage,
            quality=Quality.FAST,
            resolution=Resolution.FULL_HD,
            duration=10,
            two_pass=True,
            decodes=False,
            **how,
        ).total

    assert of(Stage.BASE_GEN, control=True) == 15 * 2.5 + 4
    assert of(Stage.SPATIAL_UPSCALE, detailer=True) == 45 * 2 + 4
    assert of(Stage.SPATIAL_UPSCALE, upscale=False, detailer=True) == 45 + 4


def test_a_deadline_leaves_room_for_a_cold_start_and_a_slow_card() -> None:
    assert durations.deadline(0.0) == durations.START_SECONDS
    assert durations.deadline(100.0) == durations.START_SECONDS + 100 * durations.SLOWEST
