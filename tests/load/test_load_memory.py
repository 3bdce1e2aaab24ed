import asyncio
import os

from tests.chaos.waiting import wait_until
from tests.load.memory import Look, Process, by_service, growth, living, watched


def test_a_process_counts_with_what_it_started_and_its_engine_by_itself() -> None:
    processes = [
        Process(10, 1, engine=False),
        Process(11, 10, engine=False),
        Process(12, 11, engine=False),
        Process(13, 10, engine=True),
        Process(20, 1, engine=False),
    ]
    found = by_service(processes, {"base_gen-0": 10, "gateway": 20, "gone": 30}, size=float)
    assert found == {"base_gen-0": 33.0, "engine of base_gen-0": 13.0, "gateway": 20.0}


def test_growth_compares_the_first_fifth_with_the_last_of_those_that_lived_through_all() -> None:
    looks: list[Look] = [(float(at), {"s3": 100.0 + at} | ({"late": 1.0} if at else {})) for at in range(10)]
    (name, it), *others = growth(looks).items()
    assert (name, it.first, it.last, it.most, others) == ("s3", 100.5, 108.5, 109.0, [])
    assert growth(looks[:4]) == {}


async def test_this_process_is_seen_until_the_block_ends() -> None:
    assert os.getpid() in {process.pid for process in living()}
    async with watched(lambda: {"me": os.getpid()}) as looks:
        await wait_until(lambda: asyncio.sleep(0, bool(looks)), seconds=20)
    assert looks[0][1]["me"] > 10
