"""Scenario, seed -> who asks for what, and when. Pure: the same seed gives the same load anywhere."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Follow = Literal["poll", "events"]
PROMPT_MARK = "heliotrope"
HOT, OTHERS = "hot", "local"
"""Names of the two API keys."""
TIERS = (1, 3, 5)
"""Seconds of the drafts that stand for 720p 10 s, 1080p 10 s and 1080p 20 s (`local/service_times.py`)."""


@dataclass(frozen=True)
class Wish:
    """One generation that somebody asks for."""

    number: int
    at: float
    """Seconds from the start of the load."""
    owner: str
    follow: Follow
    cancel: bool
    """As soon as it is taken."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What one wish differs in from the plainest."""

    body: dict[str, Any] = field(default_factory=dict)
    cancel: bool = False


Taste = Callable[[random.Random], Asked]


@dataclass(frozen=True)
class Scenario:
    """What a load looks like, in shares of its whole length."""

    about: str
    rate: Callable[[float], float]
    """Share of the time that has passed -> how much of the asked rate comes then."""
    peak: float = 1.0
    """No value of `rate` is larger."""
    taste: "Taste" = lambda _: Asked()
    """What a wish differs in from 720p of 10 s through all three stages."""
    hot: float = 0.0
    """Share of the wishes that come from one user."""
    receiver_down: tuple[float, float] | None = None
    """From and to."""
    scale: tuple[tuple[float, str, int], ...] = ()
    """(when, stage, workers)."""
    settings: dict[str, str] = field(default_factory=dict)
    """Of the orchestrator."""


def _burst(share: float) -> float:
    return 3.0 if 0.2 <= share < 0.35 else 0.3


def _mixed(dice: random.Random) -> Asked:
    """All tiers and toggles, and some who change their minds."""
    cancel = dice.random() < 0.08
    body = {
        # who changes their mind has paid for it: there is something to give back
        "resolution": "720p" if cancel else "draft",
        "duration": 10 if cancel else dice.choices(TIERS, weights=(6, 2, 1))[0],
        "quality": "pro" if dice.random() < 0.2 else "fast",
        "spatial_upscale": dice.random() < 0.75,
        "temporal_upscale": dice.random() < 0.5,
        "detailer": dice.random() < 0.15,
        "early_look": dice.random() < 0.2 and not cancel,
    }
    return Asked(body, cancel)


def _typical(dice: random.Random) -> Asked:
    """The shares of `scaling.mix.Mix` as near as drafts come to them; all in two passes, and nobody cancels.

    One pass of 20 s at full size takes one worker for half an hour: too rare for a record of an hour.
    """
    return Asked(
        {
            "duration": dice.choices(TIERS, weights=(65, 25, 10))[0],
            "quality": "pro" if dice.random() < 0.25 else "fast",
            "temporal_upscale": dice.random() < 0.3,
            "detailer": dice.random() < 0.1,
        }
    )


def _two_stages(_: random.Random) -> Asked:
    return Asked({"duration": TIERS[1], "temporal_upscale": False})


SCENARIOS = {
    "steady": Scenario("the same rate throughout", lambda _: 1.0),
    "burst": Scenario("a quiet load with ten times as much for a while", _burst, peak=3.0),
    "ramp": Scenario("from nothing to twice the rate", lambda share: 2 * share, peak=2.0),
    "mixed": Scenario("all tiers and toggles, with cancels", lambda _: 1.0, taste=_mixed),
    "typical": Scenario("what is assumed of production, for the simulation", lambda _: 1.0, taste=_typical),
    "hot": Scenario(
        "two of three wishes from one user, who may have 8 in flight",
        lambda _: 1.0,
        hot=2 / 3,
        settings={"IN_FLIGHT_LIMIT": "8"},
    ),
    "receiver-down": Scenario("the webhooks' receiver is away", lambda _: 1.0, receiver_down=(0.2, 0.6)),
    "scaling": Scenario(
        "spatial upscaling grows and shrinks",
        lambda _: 1.0,
        taste=_mixed,
        scale=((0.25, "spatial_upscale", 2), (0.5, "spatial_upscale", 4), (0.8, "spatial_upscale", 1)),
    ),
    "staircase": Scenario(
        "spatial upscaling, always full, doubles from 1 worker to 16: 1080p of 10 s through two stages",
        lambda share: 1.0 if share < 0.8 else 0.5,
        taste=_two_stages,
        scale=tuple((step / 5, "spatial_upscale", 2**step) for step in range(5)),
    ),
    "short": Scenario(
        "a little of everything, for the tests",
        lambda _: 1.0,
        taste=_mixed,
        hot=0.3,
        receiver_down=(0.1, 0.5),
        scale=((0.3, "spatial_upscale", 2), (0.8, "spatial_upscale", 1)),
    ),
    "soak": Scenario("mixed, with one user who asks for a fifth of it, for long", lambda _: 1.0, taste=_mixed, hot=0.2),
}


def wishes(scenario: Scenario, *, seed: int, seconds: float, per_minute: float) -> tuple[Wish, ...]:
    """A Poisson stream whose rate follows the scenario."""
    dice = random.Random(f"load {seed}")
    arrivals = _arrivals(dice, scenario, seconds, per_minute / 60)
    return tuple(_wish(dice, scenario, number, at) for number, at in enumerate(arrivals))


def _arrivals(dice: random.Random, scenario: Scenario, seconds: float, rate: float) -> Iterator[float]:
    """Thinning: a stream at the peak, of which the share that is due then is kept."""
    at = dice.expovariate(rate * scenario.peak)
    while at < seconds:
        if dice.random() * scenario.peak < scenario.rate(at / seconds):
            yield at
        at += dice.expovariate(rate * scenario.peak)


def _wish(dice: random.Random, scenario: Scenario, number: int, at: float) -> Wish:
    owner = HOT if dice.random() < scenario.hot else OTHERS
    body: dict[str, Any] = {
        "prompt": f"{PROMPT_MARK} {number} of {dice.getrandbits(48):x}",
        "resolution": "draft",
        "duration": TIERS[0],
        "quality": "fast",
        "spatial_upscale": True,
        "temporal_upscale": True,
        "detailer": False,
        "early_look": False,
        "seed": dice.getrandbits(40),
    }
    asked = scenario.taste(dice)
    follow: Follow = "events" if dice.random() < 0.3 else "poll"
    return Wish(number, round(at, 3), owner, follow, asked.cancel, body | asked.body)


def stages_of(body: dict[str, Any]) -> list[str]:
    """What a request is made of, in order."""
    spatial = body["spatial_upscale"] or body["detailer"]
    return ["base_gen", *(["spatial_upscale"] * spatial), *(["temporal_upscale"] * body["temporal_upscale"])]
