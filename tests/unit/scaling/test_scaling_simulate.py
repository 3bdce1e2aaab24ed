import heapq
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchestrator.transitions import MAX_ATTEMPTS
from scaling.arrivals import Burst, Poisson, Ramp, Schedule
from scaling.mix import GPUS, Mix
from scaling.records import Measured
from scaling.replay import replay
from scaling.report import figures
from scaling.scenario import ENDPOINTS, Demand, Endpoint, Faults, Scenario
from scaling.service_times import ServiceTimes, StageTimes
from scaling.simulate import Result, simulate, simulate_whole
from shared.contracts.vocabulary import Stage

EXACT = ServiceTimes(stages=dict.fromkeys(Stage, StageTimes(sigma=0)), hop=0, dispatch=0, polling=0)
SOUND = Faults(rate=0)
ALONE = dict.fromkeys(Stage, Endpoint(workers_min=1, workers_max=1))
# the bench's own service times (issue 7): 20 s + 45 s + 18 s
THREE = {Stage.BASE_GEN: 20.0, Stage.SPATIAL_UPSCALE: 45.0, Stage.TEMPORAL_UPSCALE: 18.0}


def test_without_chance_and_without_others_a_video_takes_the_sum_of_its_stages() -> None:
    result = simulate([Demand("g", 5.0, THREE)], ALONE, EXACT.model_copy(update={"hop": 2}), SOUND, 1)
    assert result.asked[0].end == 5 + 83 + 4 * 2  # before, between and after
    assert result.useful == 83


@pytest.mark.parametrize(("workers", "per_hour"), [(1, 300), (3, 900), (12, 4000)])
def test_a_queue_of_several_workers_is_that_of_kiefer_and_wolfowitz(workers: int, per_hour: float) -> None:
    """Their recursion (1955), exactly: who comes takes the worker that is free first."""
    times = Poisson(per_hour=per_hour, hours=1200 / per_hour).times(np.random.default_rng(3))
    demands = [Demand(str(index), at, {Stage.BASE_GEN: 10.0}) for index, at in enumerate(times)]
    endpoints = {Stage.BASE_GEN: Endpoint(workers_min=workers, workers_max=workers)}
    runs = simulate(demands, endpoints, ServiceTimes(hop=0, dispatch=0, polling=0), SOUND, 1).runs
    free = [0.0] * workers
    for run in sorted(runs, key=lambda run: run.arrival):
        start = max(run.arrival, heapq.heappop(free))
        heapq.heappush(free, start + run.ran)
        assert run.start == pytest.approx(start)


def loaded(faults: Faults, *, seed: int = 7) -> tuple[Result, Result]:
    """400 generations, all three stages each, on both designs."""
    at = Poisson(per_hour=400, hours=1).times(np.random.default_rng(seed))
    demands = [Demand(str(index), time, THREE) for index, time in enumerate(at)]
    staged = simulate(demands, ENDPOINTS, ServiceTimes(), faults, seed)
    return staged, simulate_whole(demands, ENDPOINTS[Stage.BASE_GEN], ServiceTimes(), faults, seed)


def test_a_seed_is_a_result() -> None:
    faults = Faults(rate=0.1)
    assert figures(loaded(faults)[0]) == figures(loaded(faults)[0])
    assert figures(loaded(faults)[0]) != figures(loaded(faults, seed=8)[0])


@settings(max_examples=5, deadline=None)
@given(some.integers(0, 10**6), some.floats(0, 0.5))
def test_nothing_is_lost_and_no_stage_has_more_attempts_than_the_retry_table(seed: int, rate: float) -> None:
    staged, whole = loaded(Faults(rate=rate), seed=seed)
    for result in (staged, whole):
        assert len({each.generation for each in result.asked}) == len(result.asked)
        assert figures(result).wasted_seconds >= -1e-6
    # once more to make what the next stage lost, and once more when that run's own input was lost
    assert all(run.attempt <= MAX_ATTEMPTS + 2 for run in staged.runs)
    by_worker = sorted(staged.runs, key=lambda run: (run.generation, run.start))
    for _, runs in groupby(by_worker, key=lambda run: run.generation):
        ends = [(run.arrival, run.end) for run in runs]
        assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_without_faults_nothing_is_wasted_and_under_them_stages_waste_far_less_than_one_worker() -> None:
    assert figures(loaded(SOUND)[0]).wasted_seconds == pytest.approx(0, abs=1e-6)
    staged, whole = (figures(result) for result in loaded(Faults(rate=0.1, codes={"connection_lost": 1})))
    assert staged.wasted_seconds < 0.4 * whole.wasted_seconds
    assert staged.failed <= whole.failed


def test_a_code_that_is_never_tried_again_fails_the_generation() -> None:
    staged, _ = loaded(Faults(rate=0.1, codes={"bad_output": 1}))
    assert figures(staged).failed == sum(not run.succeeded for run in staged.runs) > 0


def test_a_lost_artifact_is_made_again_by_the_stage_before() -> None:
    staged, _ = loaded(Faults(rate=0.1, codes={"artifact_corrupt": 1}))
    again = {run.generation for run in staged.runs if run.attempt == 2 and run.stage is Stage.BASE_GEN}
    failed = {run.generation for run in staged.runs if not run.succeeded and run.stage is Stage.SPATIAL_UPSCALE}
    assert failed
    assert failed <= again


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_a_load_that_is_calibrated_and_simulated_again_has_the_same_p95(speed: float) -> None:
    """The records are those of a simulation with other service times, at the speed of a scaled load test."""
    scenario = Scenario(arrivals=Poisson(per_hour=200, hours=6), faults=Faults(rate=0.03, codes={"worker_lost": 1}))
    workers = {Stage.BASE_GEN: 8, Stage.SPATIAL_UPSCALE: 5, Stage.TEMPORAL_UPSCALE: 3}
    times = StageTimes(factor=1.4, fixed=5, sigma=0.3)
    service = ServiceTimes(stages=dict.fromkeys(Stage, times) | {Stage.SPATIAL_UPSCALE: StageTimes(factor=0.7)})
    service = service.model_copy(update={"hop": 4.0, "dispatch": 3.0, "polling": speed})
    fixed = {stage: Endpoint(workers_min=count, workers_max=count, cold_start=0) for stage, count in workers.items()}
    result = simulate(scenario.demands(), fixed, service, scenario.faults, 11)

    def scaled(record: dict[str, object]) -> dict[str, object]:
        return {
            key: value / speed if isinstance(value, float) and key in {"arrival", "start", "end"} else value
            for key, value in record.items()
        }

    measured = Measured.model_validate(
        {
            "speed": speed,
            "workers": workers,
            "asked": [scaled(each.model_dump()) for each in result.asked],
            "runs": [scaled(each.model_dump()) for each in result.runs],
        }
    )
    compared = replay(measured, seeds=range(3))
    assert abs(compared.whole.error) < 0.1
    fitted = compared.service.sped(speed)
    assert fitted.stages[Stage.BASE_GEN].factor == pytest.approx(1.4, rel=0.05)
    assert fitted.hop == pytest.approx(4)
    assert fitted.dispatch == pytest.approx(3, rel=0.05)


def test_a_replay_needs_to_know_the_workers() -> None:
    result = simulate([Demand("g", 0.0, THREE)], ALONE, EXACT, SOUND, 1)
    with pytest.raises(ValueError, match="how many workers"):
        replay(Measured(runs=tuple(result.runs)))


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        (Poisson(per_hour=500, hours=4), 2000),
        (Burst(per_hour=100, hours=4, extra=300, at=1), 700),
        (Ramp(per_hour=0.1, to_per_hour=1000, hours=4), 2000),
        (Schedule(per_hour=(0, 2000, 0, 100)), 2100),
    ],
)
def test_as_many_arrive_as_the_rate_says(arrivals: Poisson | Burst | Ramp | Schedule, expected: int) -> None:
    times = arrivals.times(np.random.default_rng(5))
    assert times == sorted(times)
    assert len(times) == pytest.approx(expected, rel=0.07)
    if isinstance(arrivals, Ramp):
        assert sum(time > 2 * 3600 for time in times) > 2.5 * sum(time <= 2 * 3600 for time in times)
    if isinstance(arrivals, Schedule):
        assert not [time for time in times if time < 3600 or 7200 <= time < 3 * 3600]
    if isinstance(arrivals, Burst):
        assert sum(3600 <= time < 3660 for time in times) >= 300


def test_shares_of_a_mix_sum_to_one_and_a_request_asks_what_its_plan_says() -> None:
    kinds = Mix().kinds(GPUS)
    assert sum(kind.weight for kind in kinds) == pytest.approx(1)
    sure = Mix(pro=0, full_hd=1, fifteen=0, twenty=0, one_pass=0, temporal_upscale=1, detailer=0).kinds(GPUS)
    # facts/ltx2.md section 6.2: 15 s, 45 s, and two decodes of 18 s on a 4090; 4 s for files and ffmpeg in each
    assert [kind.seconds for kind in sure] == [
        {Stage.BASE_GEN: 19.0, Stage.SPATIAL_UPSCALE: 49.0, Stage.TEMPORAL_UPSCALE: round(36 * 121 / 70 + 4, 1)}
    ]
