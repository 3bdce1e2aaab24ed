"""What one replica takes while 2,000 generations are under way at RunPod, all of them in one stage and in progress."""

import asyncio

from bench.crowd import crowd
from bench.rows import Row, percentile

COUNT = 2000
MUST_CORES, MUST_MB, MUST_LOOKS, MUST_P95 = 1.0, 400.0, 2000, 0.050
GETS_PER_SECOND = 20
SECONDS = 25.0
SUBMIT_SECONDS = 90.0
"""The most that it may take until RunPod has all of them."""


async def measure() -> list[Row]:
    async with crowd() as cloud:
        made = (await cloud.clients(what="make", count=COUNT))["made"]
        async with asyncio.timeout(SUBMIT_SECONDS):
            while (await cloud.counts())["jobs"] < COUNT:  # noqa: ASYNC110  the stand-in has no bell
                await asyncio.sleep(0.5)
        before, began = cloud.cpu(), asyncio.get_running_loop().time()
        asked = (await cloud.counts())["asked"]
        found = await cloud.clients(what="get", ids=made, per_second=GETS_PER_SECOND, seconds=SECONDS)
        seconds = asyncio.get_running_loop().time() - began
        used, counts = cloud.cpu().since(before), await cloud.counts()
        [megabytes] = cloud.megabytes("VmHWM")
    cores, looks = used.orchestrators[0] / seconds, (counts["asked"] - asked) / seconds
    p95 = percentile(found["spent"], 95)
    return [
        Row(
            f"{COUNT:,} generations in flight on one process",
            f"under {MUST_CORES:g} core and {MUST_MB:.0f} MB, at most {MUST_LOOKS} /status in 10 s, "
            f"p95 of GET under {MUST_P95 * 1000:.0f} ms",
            f"{cores:.2f} cores (and {used.postgres / seconds:.2f} of Postgres), {megabytes:.0f} MB at the most, "
            f"{counts['most']} /status in the fullest 10 s ({looks:.0f} a second then), p95 of {GETS_PER_SECOND} GETs "
            f"a second {p95 * 1000:.0f} ms; Postgres, RunPod's stand-in and the clients share the cores",
            cores < MUST_CORES and megabytes < MUST_MB and counts["most"] <= MUST_LOOKS and p95 < MUST_P95,
        )
    ]
