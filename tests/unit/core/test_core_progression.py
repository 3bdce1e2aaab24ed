from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.history import EARLY_LOOK_SECONDS
from orchestrator.plan import Plan, make_plan
from orchestrator.progression import (
    BACK_SECONDS,
    BACK_SHARE,
    MOST_TOLD,
    next_look,
    overall,
    remaining,
    renders,
    worth_telling,
)
from shared import durations
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import BaseGenParams, StageProgress
from shared.contracts.vocabulary import Quality, Resolution, Stage

PLAN = make_plan(GenerationRequest(prompt="x", quality=Quality.PRO, temporal_upscale=True), seed=1)
BASE, SPATIAL, TEMPORAL = (step.estimated_seconds for step in PLAN.stages)


def test_a_stage_counts_by_its_seconds() -> None:
    assert overall(PLAN, Stage.BASE_GEN, 0.0) == 0.0
    assert overall(PLAN, Stage.SPATIAL_UPSCALE, 0.0) == pytest.approx(BASE / PLAN.estimated_seconds, abs=1e-4)
    assert overall(PLAN, Stage.TEMPORAL_UPSCALE, 1.0) == 1.0


@pytest.mark.parametrize(
    ("stage", "fraction", "pace", "left"),
    [
        (Stage.BASE_GEN, 0.0, 1.0, BASE + SPATIAL + TEMPORAL),
        (Stage.BASE_GEN, 0.5, 1.0, BASE / 2 + SPATIAL + TEMPORAL),
        (Stage.BASE_GEN, 0.5, 2.0, 2 * (BASE / 2 + SPATIAL + TEMPORAL)),  # a slower card, which makes the rest too
        (Stage.BASE_GEN, 0.05, 2.0, BASE * 0.95 + SPATIAL + TEMPORAL),  # too early to tell
        (Stage.TEMPORAL_UPSCALE, 0.5, 0.5, TEMPORAL / 4),
        (Stage.TEMPORAL_UPSCALE, 1.0, 1.0, 0.0),
        (Stage.TEMPORAL_UPSCALE, 0.5, 1000.0, 10 * TEMPORAL / 2),  # nobody believes that clock
    ],
)
def test_what_is_left_goes_by_the_pace_so_far(stage: Stage, fraction: float, pace: float, left: float) -> None:
    running = pace * PLAN.of(stage).estimated_seconds * fraction
    assert remaining(PLAN, stage, fraction, running=running) == pytest.approx(left, abs=0.06)


@given(
    paces=st.lists(st.floats(0.1, 20), min_size=1, max_size=30),
    gap=st.floats(0.5, 20),
)
def test_an_estimate_never_jumps_back_by_more_than_a_little(paces: list[float], gap: float) -> None:
    told = PLAN.estimated_seconds
    for step, pace in enumerate(paces, start=1):
        fraction = step / (len(paces) + 1)
        due = told - gap
        told = remaining(PLAN, Stage.BASE_GEN, fraction, running=pace * BASE * fraction, due=due)
        assert 0 <= told <= max(due, 0) + max(BACK_SECONDS, BACK_SHARE * due) + 0.05


def test_a_plan_of_one_stage_ends_at_nothing() -> None:
    plan: Plan = make_plan(GenerationRequest(prompt="x", spatial_upscale=False), seed=1)
    assert remaining(plan, Stage.BASE_GEN, 1.0, running=50.0, due=3.0) == 0.0


@pytest.mark.parametrize(
    ("age", "fraction", "wait"),
    [
        (0.0, 0.0, 1.0),
        (60.0, 0.0, 6.0),  # it says nothing
        (600.0, 0.0, 15.0),
        (60.0, 0.25, 6.0),  # three minutes to go
        (90.0, 0.9, 5.0),  # ten seconds
        (100.0, 1.0, 1.0),  # any moment
        (20.0, 0.93, 1.0),  # a second and a half
        (20.0, 0.97, 0.31),  # half a second
        (20.0, 1.0, 0.25),  # now
        (600.0, 1.0, 6.0),  # it has said so for long
        (6000.0, 1.0, 15.0),
    ],
)
def test_a_run_is_asked_more_often_when_it_is_nearly_done(age: float, fraction: float, wait: float) -> None:
    assert next_look(age, fraction, quickest=1.0, slowest=15.0) == pytest.approx(wait, abs=0.01)


@pytest.mark.parametrize(
    ("before", "fraction", "phase", "surely"),
    [
        (0.2, 0.3, "executing", True),
        (0.3, 0.3, "executing", False),  # no news: its result may be stuck
        (0.3, 0.95, "delivering", True),
        (0.9, 1.0, "executing", False),  # the manifest may stand by now
        (0.9, 1.0, "looking", False),
        (0.2, 0.3, "looking", False),
    ],
)
def test_a_manifest_is_looked_for_as_soon_as_it_may_stand(
    before: float, fraction: float, phase: str, surely: bool
) -> None:
    told = StageProgress.model_validate({"attempt_id": "a" * 32, "fraction": fraction, "phase": phase})
    assert renders(before, told) is surely
    assert not renders(before, None)


@pytest.mark.parametrize("sold", list(product(Quality, (Resolution.HD, Resolution.FULL_HD), (10, 20), (True, False))))
def test_no_early_look_takes_longer_than_it_is_waited_for(sold: tuple[Quality, Resolution, int, bool]) -> None:
    quality, resolution, seconds, half = sold
    made = BaseGenParams(
        prompt="x", quality=quality, resolution=resolution, duration=seconds, half_resolution=half, ending="latents"
    )
    assert 0 < durations.early_look(made) < EARLY_LOOK_SECONDS
    assert durations.early_look(made) < durations.deadline(durations.of(made).total)


@pytest.mark.parametrize(
    ("told", "before", "now", "turn", "due"),
    [
        (0, 0.0, 0.05, False, False),
        (0, 0.05, 0.1, False, True),
        (3, 0.11, 0.19, False, False),
        (3, 0.11, 0.41, False, True),  # three tenths at once are one piece of news
        (3, 0.4, 0.0, False, False),  # another attempt begins at nothing
        (3, 0.0, 0.0, True, True),
        (MOST_TOLD, 0.0, 0.0, True, False),
        (MOST_TOLD, 0.1, 0.9, False, False),
    ],
)
def test_a_webhook_tells_of_turns_and_tenths(told: int, before: float, now: float, turn: bool, due: bool) -> None:
    assert worth_telling(told, before, now, turn=turn) == due


@given(steps=st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=200))
def test_webhooks_about_progress_are_bounded_whatever_happens(steps: list[tuple[float, bool]]) -> None:
    told, at = 0, 0.0
    for now, turn in steps:
        told += worth_telling(told, at, now, turn=turn)
        at = now
    assert told <= MOST_TOLD
