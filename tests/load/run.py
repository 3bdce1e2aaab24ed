"""`python -m tests.load.run --scenario steady --minutes 2`: users ask for videos; then everything is checked."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from local.control import tell
from shared.contracts.vocabulary import Stage
from tests.chaos.waiting import wait_until
from tests.load.checks import violations
from tests.load.cloud import LoadCloud
from tests.load.evidence import Evidence
from tests.load.figures import Change, figures, measured, waits
from tests.load.memory import watched
from tests.load.receiver import OnOff
from tests.load.report import Report
from tests.load.scenarios import SCENARIOS, Wish, wishes
from tests.load.schedule import Step, of_scenario, parse

GENERATION_SECONDS = 300.0
"""After so long without an end a wish counts as lost, and …"""
SLEPT_SECONDS = 1500.0
"""… so much more, scaled: the dearest runs of two stages, and the wait for as much."""
SETTLE_SECONDS = 120.0
"""For the last webhooks and jobs, after the users have what they asked for."""
USERS = 200
"""Most wishes that are under way; more would be asked late, which the report shows."""
ROOT = Path(__file__).parents[2]


class UsersFailedError(Exception):
    """The process of the users did not end well."""


async def load(
    name: str,
    plan: tuple[Wish, ...],
    state: Path,
    *,
    workers: dict[Stage, int],
    seconds: float,
    scale: float,
    seed: int,
    say: Callable[[str], None],
    schedule: tuple[Step, ...] | None = None,
) -> Report:
    """One run, in a folder of its own. `seconds`: of arrivals; the run ends when all that was asked has ended.

    `schedule`: when which stage gets how many workers, instead of what the scenario says.
    """
    scenario = SCENARIOS[name]
    steps = of_scenario(scenario, seconds) if schedule is None else schedule
    under = LoadCloud(state, scenario, workers, scale=scale, seed=seed)
    patience = GENERATION_SECONDS + scale * SLEPT_SECONDS
    async with under.cloud as cloud:
        with OnOff(cloud.facts.webhook_secret) as receiver:
            config = _config(under, plan, receiver.url, patience)
            began = datetime.now(UTC)
            changes: list[Change] = [(0.0, dict(workers))]
            async with watched(under.processes) as looks:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_users(config, seconds + patience + 90))
                    group.create_task(_scale(under, steps, changes, say))
                    if scenario.receiver_down is not None:
                        group.create_task(_switch(receiver, scenario.receiver_down, seconds, say))
                await wait_until(lambda: _settled(under), seconds=SETTLE_SECONDS, every=0.5)
            told = [json.loads(line) for line in _told(state).read_text().splitlines()]
            found = Evidence(plan, told)
            await under.collect(found)
            found.announced = receiver.announced()
    return Report(
        scenario=name,
        seed=seed,
        scale=scale,
        began=began,
        figures=figures(found, changes, began=began, scale=scale),
        measured=measured(found, changes, began=began, scale=scale),
        changes=tuple(changes),
        broken=violations(found),
        requests=json.loads((state / "stats.json").read_text()),
        looks=tuple(looks),
        waits=waits(found),
    )


def _told(state: Path) -> Path:
    return state / "told.jsonl"


def _config(under: LoadCloud, plan: tuple[Wish, ...], webhook_url: str, patience: float) -> Path:
    """For the users' process; holds keys, so it is its owner's only."""
    path = under.state / "users.json"
    path.touch(mode=0o600)
    _told(under.state).unlink(missing_ok=True)
    config = {
        "api": under.cloud.facts.api_url,
        "keys": under.keys,
        "webhook_url": webhook_url,
        "wishes": [asdict(wish) for wish in plan],
        "users": min(USERS, len(plan)),
        "seconds": patience,
        "told": str(_told(under.state)),
        "stats": str(under.state / "stats.json"),
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


async def _users(config: Path, seconds: float) -> None:
    """In a process of their own: Locust patches the whole of it. UsersFailedError with the end of what it said."""
    log = config.with_name("users.log")
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.load.users",
            str(config),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=said,
            stderr=said,
        )
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise UsersFailedError(f"the users' process ended with {code}:\n{log.read_text(errors='replace')[-2000:]}")


async def _scale(under: LoadCloud, steps: tuple[Step, ...], changes: list[Change], say: Callable[[str], None]) -> None:
    """As `python -m local.scale` does it, at the times of the schedule."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for step in steps:
        await asyncio.sleep(max(0.0, began + step.at - loop.time()))
        now = await tell(under.state, dict(step.workers))
        changes.append((round(loop.time() - began, 3), now))
        say("workers: " + ", ".join(f"{stage} {count}" for stage, count in now.items()))


async def _switch(receiver: OnOff, away: tuple[float, float], seconds: float, say: Callable[[str], None]) -> None:
    await asyncio.sleep(away[0] * seconds)
    receiver.away = True
    say("the webhooks' receiver is away")
    await asyncio.sleep((away[1] - away[0]) * seconds)
    receiver.away = False
    say("the webhooks' receiver is back")


async def _settled(under: LoadCloud) -> bool:
    return not any(await under.live())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.run", description=__doc__)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="steady")
    parser.add_argument("--minutes", type=float, default=2.0, help="of arrivals")
    parser.add_argument("--per-minute", type=float, default=20.0, help="generations that are asked for")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--service-scale", type=float, default=0.05, help="seconds slept for one of a GPU")
    parser.add_argument("--base-gen", type=int, default=2, metavar="N", help="workers")
    parser.add_argument("--spatial", type=int, default=2, metavar="N")
    parser.add_argument("--temporal", type=int, default=2, metavar="N")
    parser.add_argument(
        "--schedule", help="workers by time instead of the scenario's, such as 0:spatial=2,60:spatial=8,180:spatial=1"
    )
    parser.add_argument("--state", type=Path, help="folder of data and logs; a temporary one by default")
    parser.add_argument("--out", type=Path, default=Path("out/load"), help="folder of the reports")
    given = parser.parse_args(arguments)
    seconds = 60 * given.minutes
    plan = wishes(SCENARIOS[given.scenario], seed=given.seed, seconds=seconds, per_minute=given.per_minute)
    if not plan:
        parser.error("nobody asks for anything in that time; ask for longer, or for more a minute")
    try:
        schedule = parse(given.schedule, seconds) if given.schedule else None
    except ValueError as error:
        parser.error(f"--schedule: {error}")
    console = Console()
    state = (given.state or Path(tempfile.mkdtemp(prefix="ltx2-load-"))).resolve()
    console.print(f"{given.scenario}: {SCENARIOS[given.scenario].about}; {len(plan)} wishes; data and logs in {state}")
    report = asyncio.run(
        load(
            given.scenario,
            plan,
            state,
            workers=dict(zip(Stage, (given.base_gen, given.spatial, given.temporal), strict=True)),
            seconds=seconds,
            scale=given.service_scale,
            seed=given.seed,
            say=lambda line: console.print(f"{datetime.now(UTC):%H:%M:%S} {line}", markup=False, highlight=False),
            schedule=schedule,
        )
    )
    report.show(console)
    folder = given.out / f"{given.scenario}-{given.seed}"
    from tests.load.page import write  # noqa: PLC0415  matplotlib takes a second, and the tests' short form needs none

    console.print(f"written: {', '.join(str(folder / name) for name in write(report, folder))}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
