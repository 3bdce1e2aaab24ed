"""500 WebSocket followers, shared out over two replicas: how late they have what a look at RunPod found.

Late is from when an event was written, as it says, until a follower has it: the commit, NOTIFY to both replicas, the
read, and the way to the client. All clocks are one.
"""

import asyncio

from bench.crowd import Crowd, crowd
from bench.rows import Row, percentile

COUNT = 500
MUST_SECONDS, MUST_MB = 1.0, 1.0
REPLICAS = 2
SECONDS = 12.0
SETTLE_SECONDS = 2.0


async def measure() -> list[Row]:
    async with crowd(orchestrators=REPLICAS) as cloud:
        made = (await cloud.clients(what="make", count=COUNT // REPLICAS))["made"]
        return [
            await _followed(cloud, made[:1], "one generation"),
            await _followed(cloud, made, f"{len(made)} of them"),
        ]


async def _followed(cloud: Crowd, ids: list[str], what: str) -> Row:
    before = cloud.megabytes("VmRSS")
    following = asyncio.create_task(cloud.clients(what="follow", ids=ids, count=COUNT, seconds=SECONDS))
    await asyncio.sleep(SECONDS - SETTLE_SECONDS)
    after = cloud.megabytes("VmRSS")
    found = await following
    each = (sum(after) - sum(before)) / COUNT
    most, p95 = max(found["late"]), percentile(found["late"], 95)
    return Row(
        f"{COUNT} WebSocket followers of {what}, half of them on another replica than the poll",
        f"within {MUST_SECONDS:g} s of the poll, under {MUST_MB:g} MB each",
        f"{len(found['late']):,} messages, p95 {p95 * 1000:.0f} ms, the last {most * 1000:.0f} ms, "
        f"{found['missed']} out of order or lost; {each * 1000:.0f} kB each",
        most < MUST_SECONDS and each < MUST_MB and not found["missed"],
    )
