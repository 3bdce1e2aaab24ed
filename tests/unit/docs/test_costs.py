import pytest

from orchestrator.plan import make_plan
from scripts.costs import TIERS, Assumptions, cost, gpu_seconds, request, workers
from scripts.operations_docs import MEANING, written
from shared.contracts.vocabulary import Quality, Resolution, Stage, TextEncoder

GIVEN = Assumptions()


def test_the_cost_is_seconds_times_price_and_the_waste_on_top() -> None:
    asked = request(Quality.FAST, Resolution.FULL_HD, 10)
    seconds = gpu_seconds(asked, slower=2.0)
    # facts/ltx2.md section 6.2, H100: base 15, refine 45, decode 18; 4 for files and ffmpeg in each
    assert seconds == {Stage.BASE_GEN: 15 + 4, Stage.SPATIAL_UPSCALE: 45 + 18 + 4}
    assert cost(asked, GIVEN) == pytest.approx((19 + 67) * 0.00116 * 1.2)


def test_only_the_temporal_stage_is_on_another_card() -> None:
    asked = request(Quality.PRO, Resolution.HD, 20, temporal_upscale=True)
    plan = make_plan(asked, seed=0, text_encoder=TextEncoder.SINGLE)
    assert sum(gpu_seconds(asked, slower=1.0).values()) == pytest.approx(plan.estimated_seconds)
    once, twice = gpu_seconds(asked, slower=1.0), gpu_seconds(asked, slower=2.0)
    assert twice == once | {Stage.TEMPORAL_UPSCALE: 2 * once[Stage.TEMPORAL_UPSCALE]}


@pytest.mark.parametrize(
    ("per_hour", "seconds", "busy", "needed"), [(60, 60, 1, 1), (61, 60, 1, 2), (360, 70, 0.7, 10)]
)
def test_workers_follow_littles_law(per_hour: float, seconds: float, busy: float, needed: int) -> None:
    assert workers(seconds, Assumptions(per_hour=per_hour, busy=busy)) == needed


def test_two_passes_are_cheaper_than_one_at_every_tier() -> None:
    for tier in TIERS:
        assert cost(request(*tier), GIVEN) < cost(request(*tier, spatial_upscale=False), GIVEN)


def test_a_page_without_a_place_or_a_code_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no place for the table of costs"):
        written("# Operations\n")
    monkeypatch.delitem(MEANING, "internal")
    with pytest.raises(KeyError, match="internal"):
        written("# Operations\n")
