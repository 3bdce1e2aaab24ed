"""`python -m tests.chaos.run`: users ask for videos while everything is killed; then everything is checked."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import psycopg
from rich.console import Console

from tests import processes
from tests.chaos.checks import violations
from tests.chaos.cloud import ChaosCloud, chaos_cloud
from tests.chaos.driver import Driver
from tests.chaos.evidence import Evidence, collect, live_jobs, secrets_of
from tests.chaos.plan import Plan, make_plan
from tests.chaos.receiver import Receiver
from tests.chaos.report import Report, write_into
from tests.chaos.users import Users
from tests.chaos.waiting import wait_until
from tests.leaks import leaks

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
GENERATION_SECONDS = 300.0
"""After so long without an end a generation counts as stuck."""
SETTLE_SECONDS = 240.0
"""Twice `queue.FORGOTTEN_SECONDS`: for the last webhooks, and for jobs that nobody waits for any more."""
# A seed in which every link and every trouble comes, but for silence between workers and gateway: after that the SDK
# waits 90 s for its poll, which is the long form's to see.
SHORT = {"seed": 107, "generations": 10, "kills": 8, "faults": 5, "gateway_faults": 3}


async def chaos(plan: Plan, state: Path, say: Callable[[str], None]) -> Report:
    """One run, in a folder of its own. `say` gets a line for all that is done to the cloud."""
    async with chaos_cloud(state) as cloud:
        with Receiver(cloud.facts.webhook_secret, seed=plan.seed) as receiver:
            began = time.monotonic()
            users = Users(cloud, webhook_url=receiver.url, video=_bar(), seconds=GENERATION_SECONDS)
            driver = Driver(cloud, plan.acts, lambda: users.ended, say)
            told, _ = await asyncio.gather(users.all(plan.load), driver.run())
            await cloud.gateway.delete("/_admin/faults")
            await wait_until(lambda: _is_settled(cloud, receiver, len(told)), seconds=SETTLE_SECONDS, every=0.5)
            seconds = time.monotonic() - began
            evidence = await collect(cloud, told, receiver.arrivals, users.unexpected)
            secrets = await secrets_of(cloud)
            restarts = dict(cloud.cloud.supervisor.restarts)
        logs = cloud.cloud.supervisor.logs
    await _look_after_the_stop(evidence, state, logs, secrets)
    return Report(
        plan=plan,
        evidence=evidence,
        deeds=driver.deeds,
        broken=violations(evidence),
        seconds=seconds,
        statuses=users.statuses,
        unanswered=users.unanswered,
        restarts=restarts,
    )


async def _is_settled(cloud: ChaosCloud, receiver: Receiver, wanted: int) -> bool:
    if len({arrival.data["id"] for arrival in receiver.arrivals if arrival.taken}) < wanted:
        return False
    try:
        return not any((await live_jobs(cloud)).values())
    except psycopg.OperationalError:  # it comes back from its last kill
        return False


async def _look_after_the_stop(evidence: Evidence, state: Path, logs: Path, secrets: dict[str, str]) -> None:
    await wait_until(lambda: not processes.naming(state), seconds=15)
    evidence.left = [process.command for process in processes.naming(state)]
    evidence.leaks = leaks(logs, secrets)


def _bar() -> bytes:
    """A user's video for a control: a white bar on black, of a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bar.mp4"
        source = "color=c=black:size=320x240:rate=24,drawbox=x=100:y=0:w=40:h=240:c=white:t=fill"
        argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-t", "1", "-pix_fmt", "yuv420p", str(path)]
        subprocess.run(argv, check=True, timeout=30)
        return path.read_bytes()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=SHORT["seed"])
    parser.add_argument("--generations", type=int, default=SHORT["generations"])
    parser.add_argument("--kills", type=int, default=SHORT["kills"])
    parser.add_argument("--faults", type=int, help="on links; by default 3 for 4 kills")
    parser.add_argument("--gateway-faults", type=int, help="by default 2 for 5 kills")
    parser.add_argument("--state", type=Path, help="folder of data and logs; a temporary one by default")
    parser.add_argument("--write", action="store_true", help="put the report into docs/reliability.md")
    given = parser.parse_args(arguments)
    faults = ceil(given.kills * 3 / 4) if given.faults is None else given.faults
    gateway_faults = ceil(given.kills * 2 / 5) if given.gateway_faults is None else given.gateway_faults
    plan = make_plan(
        given.seed,
        generations=given.generations,
        kills=given.kills,
        faults=faults,
        gateway_faults=gateway_faults,
    )
    console = Console()
    state = (given.state or Path(tempfile.mkdtemp(prefix="ltx2-chaos-"))).resolve()
    console.print(f"seed {plan.seed}; data and logs in {state}")

    def say(line: str) -> None:
        console.print(f"{datetime.now(UTC):%H:%M:%S} {line}", markup=False, highlight=False, soft_wrap=True)

    report = asyncio.run(chaos(plan, state, say))
    report.show(console)
    if given.write:
        write_into(PAGE, report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
