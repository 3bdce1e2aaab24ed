import pytest

from tests.load.scenarios import HOT, SCENARIOS, Wish, stages_of, wishes

MINUTES = 60


def made(name: str, seed: int = 7) -> tuple[Wish, ...]:
    return wishes(SCENARIOS[name], seed=seed, seconds=60 * MINUTES, per_minute=20)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_gives_the_same_load_again_and_another_another(name: str) -> None:
    assert made(name) == made(name)
    assert made(name) != made(name, seed=8)
    assert [wish.number for wish in made(name)] == list(range(len(made(name))))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rate_is_what_the_scenario_says(name: str) -> None:
    steps = 1000
    mean = sum(SCENARIOS[name].rate(step / steps) for step in range(steps)) / steps
    assert len(made(name)) == pytest.approx(20 * MINUTES * mean, rel=0.1)
    assert all(SCENARIOS[name].rate(step / steps) <= SCENARIOS[name].peak for step in range(steps))


def test_a_burst_is_ten_times_as_much_and_a_ramp_grows() -> None:
    share = [wish.at / 60 / MINUTES for wish in made("burst")]
    inside = sum(0.2 <= at < 0.35 for at in share) / 0.15
    assert inside / ((len(share) - inside * 0.15) / 0.85) == pytest.approx(10, rel=0.2)
    halves = [wish.at < 30 * MINUTES for wish in made("ramp")]
    assert halves.count(False) == pytest.approx(3 * halves.count(True), rel=0.2)


def test_one_hot_user_asks_for_two_of_three() -> None:
    owners = [wish.owner for wish in made("hot")]
    assert owners.count(HOT) == pytest.approx(len(owners) * 2 / 3, rel=0.1)
    assert not any(wish.owner == HOT for wish in made("steady"))


def test_mixed_holds_every_toggle_tier_and_cancels() -> None:
    load = made("mixed")
    ways = {tuple(stages_of(wish.body)) for wish in load}
    assert len(ways) == 4
    assert {wish.body["duration"] for wish in load if not wish.cancel} == {1, 3, 5}
    assert {wish.body["quality"] for wish in load} == {"fast", "pro"}
    assert {wish.body["resolution"] for wish in load if wish.cancel} == {"720p"}
    assert {wish.follow for wish in load} == {"poll", "events"}


def test_no_two_wishes_are_one_and_the_same_work() -> None:
    bodies = [wish.body["prompt"] for wish in made("soak")]
    assert len(set(bodies)) == len(bodies)


@pytest.mark.parametrize(
    ("toggles", "stages"),
    [
        ({}, ["base_gen"]),
        ({"detailer": True}, ["base_gen", "spatial_upscale"]),
        ({"temporal_upscale": True}, ["base_gen", "temporal_upscale"]),
        ({"spatial_upscale": True, "temporal_upscale": True}, ["base_gen", "spatial_upscale", "temporal_upscale"]),
    ],
)
def test_stages_follow_from_the_toggles(toggles: dict[str, bool], stages: list[str]) -> None:
    assert stages_of({"spatial_upscale": False, "detailer": False, "temporal_upscale": False, **toggles}) == stages


def test_a_scenario_scales_in_the_order_of_time() -> None:
    for scenario in SCENARIOS.values():
        times = [at for at, _, _ in scenario.scale]
        assert times == sorted(times)
