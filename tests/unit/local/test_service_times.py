"""The times that the engine sleeps: what the estimates say, scaled, and the factor of each prompt."""

from itertools import product
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
from pydantic import ValidationError

from local.comfyui_preview.service.served import Service, Services
from local.comfyui_preview.service.stock import Stock
from local.comfyui_preview.service.times import Cost, ServiceTimes
from local.service_times import FULL_SIZE, STANDS_FOR, estimated, slept
from orchestrator.plan import make_plan
from shared import durations, geometry
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Quality, Resolution, Stage

DRAFT = geometry.TIERS[Resolution.DRAFT]
STOCK = Stock(Path("nowhere"))
PLAIN = Service(estimated(1.0), 1.0, STOCK)


def shape(draft: int, *, half: bool = False, doubled: bool = False) -> tuple[int, ...]:
    clip = geometry.clip(draft)
    frames = (clip.doubled() if doubled else clip).generate
    return geometry.video_latent_shape(geometry.tier(Resolution.DRAFT, half=half).generate, frames)


@pytest.mark.parametrize("draft", STANDS_FOR)
def test_whole_stages_take_what_the_table_says(draft: int) -> None:
    resolution, seconds = STANDS_FOR[draft]

    def told(stage: Stage, quality: Quality = Quality.FAST) -> durations.Parts:
        return durations.parts(stage, quality=quality, resolution=resolution, duration=seconds, two_pass=True)

    low, full, double = shape(draft, half=True), shape(draft), shape(draft, doubled=True)
    assert 8 * PLAIN.step(low) == pytest.approx(told(Stage.BASE_GEN).sampling)
    assert 20 * PLAIN.step(low, cfg=4.0) == pytest.approx(told(Stage.BASE_GEN, Quality.PRO).sampling, rel=0.1)
    assert 3 * PLAIN.step(full) == pytest.approx(told(Stage.SPATIAL_UPSCALE).sampling)
    assert PLAIN.decode(full) == told(Stage.SPATIAL_UPSCALE).decoding
    assert PLAIN.decode(double) == told(Stage.TEMPORAL_UPSCALE).decoding


@pytest.mark.parametrize("draft", STANDS_FOR)
def test_a_single_pass_at_full_size_is_near_the_estimate(draft: int) -> None:
    resolution, seconds = STANDS_FOR[draft]
    told = durations.parts(
        Stage.BASE_GEN, quality=Quality.FAST, resolution=resolution, duration=seconds, two_pass=False
    )
    assert 8 * PLAIN.step(shape(draft)) == pytest.approx(told.sampling, rel=0.15)


def test_every_length_and_form_has_a_shape_of_its_own() -> None:
    lengths = len(STANDS_FOR) + 2 * len(FULL_SIZE)
    assert len(estimated(1.0).costs) == 3 * lengths


def test_what_a_plan_sleeps_is_near_what_it_is_estimated_to_take() -> None:
    toggles = (True, False)
    for spatial, temporal, detailer, quality, steps in product(toggles, toggles, toggles, Quality, (20, 31)):
        request = GenerationRequest.model_validate(
            {
                "prompt": "a",
                "resolution": "1080p",
                "duration": 15,
                "spatial_upscale": spatial,
                "temporal_upscale": temporal,
                "detailer": detailer,
                "quality": quality,
                **({"steps": steps} if quality is Quality.PRO else {}),
            }
        )
        for step in make_plan(request, seed=1).stages:
            told = durations.of(step.params)
            assert slept(step.params) == pytest.approx(told.sampling + told.decoding, rel=0.15)


def test_scale_and_guide_multiply() -> None:
    scaled, low = Service(estimated(0.05), 1.0, STOCK), shape(1, half=True)
    assert scaled.step(low) == pytest.approx(PLAIN.step(low) / 20)
    guided = (*low[:2], 2 * low[2], *low[3:])
    assert PLAIN.step(guided, guide_frames=low[2]) == pytest.approx(2.5 * PLAIN.step(low))


def test_factors_are_lognormal_around_one_and_come_again_with_the_seed() -> None:
    def factors(seed: int, who: str) -> list[float]:
        services = Services(estimated(1.0, seed=seed), STOCK, who)
        return [services.draw().factor for _ in range(4000)]

    drawn = factors(7, "base_gen-0")
    assert fmean(drawn) == pytest.approx(1.0, abs=0.01)
    assert stdev(np.log(drawn)) == pytest.approx(0.15, rel=0.05)
    assert drawn == factors(7, "base_gen-0")
    assert drawn != factors(8, "base_gen-0")
    assert drawn != factors(7, "base_gen-1")


def test_a_shape_without_a_time_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ValueError, match=r"a step of 49x128x96; there are times of 121x128x96, "):
        PLAIN.step(shape(2, half=True))
    with pytest.raises(ValueError, match=r"a step of 49x256x192"):  # only decoded, after temporal upscaling
        PLAIN.step(shape(2))


@pytest.mark.parametrize(
    "wrong", [{}, {"costs": {}}, {"costs": {"25x128x96": {"step": -1}}}, {"costs": {"a": {}}, "mean": 1}]
)
def test_a_wrong_file_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "times.json"
    path.write_text(str(wrong).replace("'", '"'))
    with pytest.raises(ValidationError):
        ServiceTimes.read(path)


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    times = ServiceTimes(costs={"25x128x96": Cost(step=0.1, decode=0.2)}, seed=3)
    path = tmp_path / "times.json"
    path.write_text(times.model_dump_json())
    assert ServiceTimes.read(path) == times
