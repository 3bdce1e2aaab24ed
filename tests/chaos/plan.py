"""Seed -> what users ask for and what goes wrong meanwhile. Pure: the same seed gives the same plan anywhere."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar

from local.runpod_gateway.faults import FaultKind
from shared.contracts.vocabulary import Stage
from tests.chaos.proxy import Trouble

REPLICAS = 2
WORKERS = 2
"""Of each stage."""
PROMPT_MARK = "heliotrope"
"""Stands in every prompt and nowhere else: no log may hold it."""
MIXED_UNTIL = 0.85
"""Share of the load after which no more goes wrong, so that something is under way whenever something does."""

T = TypeVar("T")


class Part(StrEnum):
    """What is killed with SIGKILL."""

    ORCHESTRATOR = "orchestrator"
    GATEWAY = "gateway"
    WORKER = "worker"
    PING_CHILD = "ping child"
    ENGINE = "engine"
    STORAGE = "s3"
    POSTGRES = "postgres"


class Link(StrEnum):
    """Who calls whom through a proxy."""

    ORCHESTRATOR_GATEWAY = "orchestrator-gateway"
    ORCHESTRATOR_POSTGRES = "orchestrator-postgres"
    ORCHESTRATOR_S3 = "orchestrator-s3"
    WORKER_GATEWAY = "worker-gateway"
    WORKER_S3 = "worker-s3"


PART_WEIGHTS = {
    Part.WORKER: 14,
    Part.ENGINE: 12,
    Part.ORCHESTRATOR: 11,
    Part.GATEWAY: 8,
    Part.PING_CHILD: 5,
    Part.STORAGE: 5,
    Part.POSTGRES: 5,
}
"""Of 60 kills."""


@dataclass(frozen=True)
class Kill:
    part: Part
    service: str
    """Name in the supervisor; for children, of the worker whose child it is."""


@dataclass(frozen=True)
class LinkFault:
    link: Link
    trouble: Trouble
    seconds: float


@dataclass(frozen=True)
class GatewayFault:
    kind: FaultKind
    stage: Stage
    count: int = 1
    status: int = 500
    delay_ms: int = 0


@dataclass(frozen=True)
class Act:
    """Due when `after` generations have ended, or `patience` seconds after the act before; never within `pause`."""

    after: int
    pause: float
    patience: float
    what: Kill | LinkFault | GatewayFault


@dataclass(frozen=True)
class Wanted:
    """One generation that a user asks for."""

    number: int
    body: dict[str, Any]
    image: bool
    control: Literal["video", "image"] | None
    cancel: Literal["at once", "while it runs"] | None


@dataclass(frozen=True)
class Plan:
    seed: int
    load: tuple[Wanted, ...]
    acts: tuple[Act, ...]


def make_plan(seed: int, *, generations: int, kills: int, faults: int, gateway_faults: int) -> Plan:
    """Every kind of kill, of trouble on each link and of gateway fault comes as soon as there is room for it."""
    dice = random.Random(seed)
    what: list[Kill | LinkFault | GatewayFault] = [
        *_kills(dice, kills),
        *_link_faults(dice, faults),
        *_gateway_faults(dice, gateway_faults),
    ]
    dice.shuffle(what)
    last = generations * MIXED_UNTIL
    acts = tuple(
        Act(
            after=int(last * number / max(1, len(what) - 1)),
            pause=round(dice.uniform(0.2, 2.0), 2),
            patience=round(dice.uniform(4.0, 10.0), 2),
            what=one,
        )
        for number, one in enumerate(what)
    )
    return Plan(seed, tuple(_wanted(dice, number) for number in range(generations)), acts)


def _spread(dice: random.Random, kinds: Sequence[T], count: int) -> list[T]:
    """`count` of them, each as often as any other."""
    rounds = [one for _ in range(-(-count // len(kinds))) for one in dice.sample(kinds, len(kinds))]
    return rounds[:count]


def _kills(dice: random.Random, count: int) -> list[Kill]:
    """By weight, but one of each part before the second of any."""
    parts = _spread(dice, list(Part), min(count, len(Part)))
    ahead = Counter(dict.fromkeys(Part, 0))
    ahead.update(parts)
    while len(parts) < count:
        behind = min(Part, key=lambda part: ahead[part] / PART_WEIGHTS[part])
        parts.append(behind)
        ahead[behind] += 1
    workers = [f"{stage}-{number}" for stage in Stage for number in range(WORKERS)]
    replicas = [f"orchestrator-{number}" for number in range(REPLICAS)]
    single = {Part.GATEWAY: "gateway", Part.STORAGE: "s3", Part.POSTGRES: "postgres"}
    return [
        Kill(part, single.get(part) or dice.choice(replicas if part is Part.ORCHESTRATOR else workers))
        for part in parts
    ]


def _link_faults(dice: random.Random, count: int) -> list[LinkFault]:
    legal = [
        (link, trouble)
        for trouble in Trouble
        for link in Link
        if not (link is Link.ORCHESTRATOR_POSTGRES and trouble is Trouble.UNAVAILABLE)  # Postgres speaks no HTTP
    ]
    return [LinkFault(link, trouble, round(dice.uniform(1.0, 4.0), 2)) for link, trouble in _spread(dice, legal, count)]


def _gateway_faults(dice: random.Random, count: int) -> list[GatewayFault]:
    made = []
    for kind in _spread(dice, list(FaultKind), count):
        stage = dice.choice(list(Stage))
        if kind is FaultKind.REFUSE_RESULT:
            made.append(GatewayFault(kind, stage, count=dice.randint(1, 4), status=dice.choice([500, 502, 503])))
        elif kind is FaultKind.COLD_START:
            made.append(GatewayFault(kind, stage, count=dice.randint(1, 3), delay_ms=dice.randint(500, 4000)))
        else:
            made.append(GatewayFault(kind, stage, count=dice.randint(1, 2)))
    return made


def _wanted(dice: random.Random, number: int) -> Wanted:
    """Drafts of a second, with every toggle; one in ten as sold, in 720p, with credits to give back when canceled."""
    pro, sold = dice.random() < 0.3, number % 10 == 7
    control: Literal["video", "image"] | None = (
        dice.choice(["video", "image"]) if dice.random() < 0.2 and not sold else None
    )
    body: dict[str, Any] = {
        "prompt": f"{PROMPT_MARK} {number} of {dice.getrandbits(48):x}",
        "resolution": "720p" if sold else "draft",
        "duration": 10 if sold else dice.choice([1, 1, 2]),
        "quality": "pro" if pro else "fast",
        "spatial_upscale": dice.random() < 0.7,
        "temporal_upscale": dice.random() < 0.5 and not sold,
        "detailer": dice.random() < 0.3 and not sold,
        "early_look": False,
        "camera": "static" if control else dice.choice(["static", "none", "dolly_in", "jib_up"]),
        "seed": dice.getrandbits(40),
    }
    chance = dice.random()
    cancel: Literal["at once", "while it runs"] | None = None
    if (sold and number % 20 == 7) or chance < 0.05:
        cancel = "while it runs" if dice.random() < 0.7 else "at once"
    return Wanted(number, body, image=control == "image" or dice.random() < 0.4, control=control, cancel=cancel)
