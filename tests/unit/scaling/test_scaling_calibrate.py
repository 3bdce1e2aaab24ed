import json
import random

import pytest
from pydantic import ValidationError

from scaling.calibrate import FEWEST, calibrate
from scaling.records import Measured, StageRun
from scaling.service_times import ServiceTimes, StageTimes
from shared.contracts.vocabulary import Stage

TRUE = ServiceTimes(
    stages={
        Stage.BASE_GEN: StageTimes(factor=0.6, fixed=7.0, sigma=0.25),
        Stage.SPATIAL_UPSCALE: StageTimes(factor=1.8, fixed=0.0, sigma=0.1),
        Stage.TEMPORAL_UPSCALE: StageTimes(),
    },
    hop=3.0,
)


def synthetic(generations: int, *, speed: float = 20.0, seed: int = 1) -> Measured:
    """Two stages of each generation, as a load test at `speed` would have seen them; every fifth base fails first."""
    chance, runs, here = random.Random(seed), [], TRUE.sped(speed)

    def run(name: str, stage: Stage, arrival: float, attempt: int = 1, *, good: bool = True) -> float:
        estimated = chance.choice([11.0, 40.0, 120.0])
        seconds = here.stages[stage].seconds(estimated, chance.gauss(0, 1)) * (1 if good else chance.random())
        start = arrival + chance.expovariate(1)
        runs.append(
            StageRun(
                generation=name,
                stage=stage,
                attempt=attempt,
                arrival=arrival,
                start=start,
                end=start + seconds / speed,
                estimated=estimated,
                succeeded=good,
            )
        )
        return runs[-1].end

    for index in range(generations):
        name, time = f"g{index}", index * 1.0
        if index % 5 == 0:
            time = run(name, Stage.BASE_GEN, time, good=False) + 9
        time = run(name, Stage.BASE_GEN, time, 1 + (index % 5 == 0))
        run(name, Stage.SPATIAL_UPSCALE, time + TRUE.hop)
    chance.shuffle(runs)
    return Measured(speed=speed, runs=tuple(runs))


def test_what_made_the_records_is_found_again() -> None:
    fitted = calibrate(synthetic(2000))
    for stage in (Stage.BASE_GEN, Stage.SPATIAL_UPSCALE):
        assert fitted.stages[stage].factor == pytest.approx(TRUE.stages[stage].factor, rel=0.03)
        assert fitted.stages[stage].sigma == pytest.approx(TRUE.stages[stage].sigma, rel=0.06)
        assert fitted.stages[stage].fixed == pytest.approx(TRUE.stages[stage].fixed, abs=0.5)
    assert fitted.stages[Stage.TEMPORAL_UPSCALE] == StageTimes()
    assert fitted.hop == pytest.approx(TRUE.hop, rel=1e-6)


def test_one_size_alone_is_all_factor() -> None:
    runs = tuple(run for run in synthetic(500).runs if run.estimated == 40 and run.stage is Stage.BASE_GEN)
    fitted = calibrate(Measured(speed=20, runs=runs)).stages[Stage.BASE_GEN]
    assert fitted.fixed == 0
    assert fitted.mean(40) == pytest.approx(TRUE.sped(20).stages[Stage.BASE_GEN].mean(40), rel=0.05)


def test_a_short_run_does_not_make_the_noise_wild() -> None:
    """As a load test has them: some runs end before the seconds that the others need besides their work."""
    runs = tuple(
        StageRun(generation=str(at), stage=Stage.BASE_GEN, arrival=at, start=at, end=at + seconds, estimated=about)
        for at in range(60)
        for about, seconds in [((10, 12.0), (10, 28.0), (200, 212.0))[at % 3]]
    )
    fitted = calibrate(Measured(runs=runs)).stages[Stage.BASE_GEN]
    assert fitted.sigma < 0.1
    assert fitted.mean(200) == pytest.approx(212, rel=0.05)


def test_a_file_of_records_is_read_as_it_was_written() -> None:
    measured = synthetic(FEWEST)
    assert Measured.model_validate_json(measured.model_dump_json()) == measured
    assert set(json.loads(measured.model_dump_json())) == {"speed", "workers", "asked", "runs"}


def test_too_few_or_disordered_records_are_refused() -> None:
    with pytest.raises(ValueError, match="measure for longer"):
        calibrate(synthetic(FEWEST // 2))
    with pytest.raises(ValidationError, match="not in this order"):
        StageRun(generation="g", stage=Stage.BASE_GEN, arrival=2, start=1, end=3, estimated=1)
