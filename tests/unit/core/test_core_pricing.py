"""The credit table, literally and by its formula (design section 4)."""

from itertools import product
from math import floor
from typing import Any

import pytest

from orchestrator.pricing import CREDITS, Surcharges, credits_for
from shared.contracts.request import Control, GenerationRequest
from shared.contracts.vocabulary import ControlType, Quality, Resolution
from shared.geometry import DRAFT_DURATIONS, PAID_DURATIONS

TABLE = [
    ("fast", "720p", (30, 45, 60)),
    ("fast", "1080p", (45, 67, 90)),
    ("pro", "720p", (45, 67, 90)),
    ("pro", "1080p", (60, 90, 120)),
]
PAID = (Resolution.HD, Resolution.FULL_HD)


@pytest.mark.parametrize(("quality", "resolution", "prices"), TABLE)
def test_the_twelve_prices(quality: str, resolution: str, prices: tuple[int, ...]) -> None:
    found = tuple(credits_for(Quality(quality), Resolution(resolution), seconds) for seconds in (10, 15, 20))
    assert found == prices


@pytest.mark.parametrize(("quality", "resolution", "seconds"), list(product(Quality, PAID, PAID_DURATIONS)))
def test_the_table_follows_its_formula(quality: Quality, resolution: Resolution, seconds: int) -> None:
    base = {10: 30, 15: 45, 20: 60}[seconds]
    factor = 1 + 0.5 * (quality is Quality.PRO) + 0.5 * (resolution is Resolution.FULL_HD)
    assert credits_for(quality, resolution, seconds) == floor(base * factor)


def test_nothing_else_is_sold() -> None:
    assert set(CREDITS) == set(product(Quality, PAID, PAID_DURATIONS))
    with pytest.raises(KeyError):
        credits_for(Quality.FAST, Resolution.HD, 11)


@pytest.mark.parametrize(("quality", "seconds"), list(product(Quality, DRAFT_DURATIONS)))
def test_drafts_cost_nothing(quality: Quality, seconds: int) -> None:
    assert credits_for(quality, Resolution.DRAFT, seconds) == 0


CONTROL = Control(type=ControlType.DEPTH, upload_id="0" * 32)
DEAR = Surcharges(spatial_upscale=1, temporal_upscale=10, detailer=100, control=1000)


@pytest.mark.parametrize(
    ("asked", "added"),
    [
        ({"spatial_upscale": False}, {}),
        ({}, {"spatial_upscale": 1}),  # it is on by default
        ({"temporal_upscale": True}, {"spatial_upscale": 1, "temporal_upscale": 10}),
        ({"spatial_upscale": False, "detailer": True}, {"detailer": 100}),
        ({"spatial_upscale": False, "control": CONTROL}, {"control": 1000}),
        ({"resolution": "draft", "duration": 1, "detailer": True, "control": CONTROL}, {}),
    ],
)
def test_an_enhancement_adds_its_surcharge_and_a_draft_stays_free(asked: dict[str, Any], added: dict[str, int]) -> None:
    request = GenerationRequest.model_validate({"prompt": "x", **asked}, context={"allow_draft": True})
    assert DEAR.added(request) == added
    assert DEAR.credits(request) == (0 if request.resolution is Resolution.DRAFT else 30) + sum(added.values())


@pytest.mark.parametrize(("quality", "resolution", "seconds"), list(product(Quality, PAID, PAID_DURATIONS)))
def test_without_settings_every_enhancement_is_free(quality: Quality, resolution: Resolution, seconds: int) -> None:
    request = GenerationRequest(
        prompt="x",
        quality=quality,
        resolution=resolution,
        duration=seconds,
        temporal_upscale=True,
        detailer=True,
        control=CONTROL,
    )
    assert Surcharges().added(request) == {}
    assert Surcharges().credits(request) == credits_for(quality, resolution, seconds)
