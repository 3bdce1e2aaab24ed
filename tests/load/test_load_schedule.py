import pytest

from shared.contracts.vocabulary import Stage
from tests.load.scenarios import SCENARIOS
from tests.load.schedule import Step, of_scenario, parse

SPATIAL, TEMPORAL = Stage.SPATIAL_UPSCALE, Stage.TEMPORAL_UPSCALE


def test_a_schedule_by_hand_is_read_by_time_whatever_its_order() -> None:
    assert parse("180:spatial=1, 0:spatial=2,60:spatial=8,60:temporal=3,60:base-gen=1", 200) == (
        Step(0, {SPATIAL: 2}),
        Step(60, {SPATIAL: 8, TEMPORAL: 3, Stage.BASE_GEN: 1}),
        Step(180, {SPATIAL: 1}),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not SECONDS:STAGE=WORKERS"),
        ("spatial=2", "not SECONDS:STAGE=WORKERS"),
        ("10:detailer=2", "a stage of base_gen, spatial, temporal"),
        ("10:spatial=two", "not SECONDS:STAGE=WORKERS"),
        ("121:spatial=2", "not within the 120 s"),
        ("-1:spatial=2", "not within the 120 s"),
        ("nan:spatial=2", "not within the 120 s"),
        ("10:spatial=-1", "0 to 256 workers"),
        ("10:spatial=257", "0 to 256 workers"),
        ("10:spatial=2,20:temporal=0", "temporal_upscale would be left without workers"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_and_told_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text, 120)


def test_a_stage_may_be_without_workers_for_a_while() -> None:
    assert [dict(step.workers) for step in parse("10:spatial=0,50:spatial=1", 120)] == [{SPATIAL: 0}, {SPATIAL: 1}]


def test_the_staircase_doubles_spatial_upscaling_from_1_to_16() -> None:
    steps = of_scenario(SCENARIOS["staircase"], 500)
    assert [(step.at, step.workers[SPATIAL]) for step in steps] == [(0, 1), (100, 2), (200, 4), (300, 8), (400, 16)]
    assert of_scenario(SCENARIOS["steady"], 500) == ()
