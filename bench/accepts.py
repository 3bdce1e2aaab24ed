"""Generations accepted a second, by one replica and by two over the same database."""

from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from bench.crowd import Cpu, crowd
from bench.held import CannotHoldError, held
from bench.rows import Row, percentile

MUST_RATE, MUST_P99, MUST_TWO = 150.0, 0.200, 1.7
AT_ONCE = 16
"""Clients that each wait for their answer before they ask again, at each replica."""
WARM_SECONDS, SECONDS = 2.0, 10.0
ROUNDS = 3
SHARE = 0.25
"""Of a core, for each replica: two of them, what they take of Postgres, and the clients use one core of two then."""
TWO = "new generations accepted: two replicas beside one, "


@dataclass(frozen=True)
class Accepted:
    """By so many replicas."""

    per_second: float
    p99: float
    orchestrator_ms: float
    postgres_ms: float
    """CPU of all replicas, and of Postgres, for one generation."""


async def measure() -> list[Row]:
    one, two = [await _accepted(replicas) for replicas in (1, 2)]
    ratio = two.per_second / one.per_second
    shared = "Postgres, S3 and the clients share the cores"
    return [
        Row(
            "new generations accepted by one process",
            f"over {MUST_RATE:.0f} a second, p99 under {MUST_P99 * 1000:.0f} ms",
            f"{one.per_second:.0f} a second, p99 {one.p99 * 1000:.0f} ms, {AT_ONCE} at once; CPU for each: "
            f"{one.orchestrator_ms:.1f} ms of the process and {one.postgres_ms:.1f} ms of Postgres; {shared}",
            one.per_second > MUST_RATE and one.p99 < MUST_P99,
        ),
        await _held(),
        Row(
            f"{TWO}each as quick as these cores let it be",
            f"over {MUST_TWO} times",
            f"{ratio:.2f} times ({two.per_second:.0f} a second); CPU for each: {two.orchestrator_ms:.1f} ms of a "
            f"process and {two.postgres_ms:.1f} ms of Postgres; {shared}",
            ratio > MUST_TWO,
        ),
    ]


async def _held() -> Row:
    what, must = f"{TWO}each held to {SHARE:g} of a core", f"over {MUST_TWO} times"
    try:
        pairs = [[await _accepted(replicas, share=SHARE) for replicas in (1, 2)] for _ in range(ROUNDS)]
    except CannotHoldError as error:
        return Row(what, must, f"not measured: {error}", reached=False)
    ratios = sorted(two.per_second / one.per_second for one, two in pairs)
    one, two = (median(each.per_second for each in found) for found in zip(*pairs, strict=True))
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f} in {ROUNDS} turns"
    found = f"{median(ratios):.2f} times ({spread}; {one:.0f}, then {two:.0f} a second)"
    return Row(what, must, found, median(ratios) > MUST_TWO)


async def _accepted(replicas: int, *, share: float | None = None) -> Accepted:
    async with crowd(orchestrators=replicas, POLL_SECONDS_MIN="60", POLL_SECONDS_MAX="60") as cloud:
        with ExitStack() as stack:
            if share is not None:
                stack.enter_context(held(cloud.pids, share))
            await cloud.clients(what="accept", at_once=AT_ONCE, seconds=WARM_SECONDS)
            before = cloud.cpu()
            found = await cloud.clients(what="accept", at_once=AT_ONCE, seconds=SECONDS)
            used: Cpu = cloud.cpu().since(before)
    count = len(found["spent"])
    return Accepted(
        count / found["seconds"],
        percentile(found["spent"], 99),
        sum(used.orchestrators) / count * 1000,
        used.postgres / count * 1000,
    )
