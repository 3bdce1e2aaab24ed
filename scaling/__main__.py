"""`python -m scaling advise | simulate | calibrate`: workers for a load, a load simulated, a measured load compared."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from scaling import show
from scaling.advisor import advise
from scaling.answers import kept, run_whole, slower
from scaling.arrivals import Poisson
from scaling.records import Measured
from scaling.replay import SEEDS, replay
from scaling.report import figures
from scaling.scenario import Scenario
from scaling.service_times import ServiceTimes
from scaling.simulate import simulate


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("scaling", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--per-hour", type=float, default=100, help="generations an hour; default: %(default)s")
    common.add_argument("--factor", type=float, help="service times are so many times the plan's")
    common.add_argument("--service", type=Path, help="service times as JSON, as `calibrate --write` leaves them")
    common.add_argument("--scenario", type=Path, help="a whole scenario as JSON; `simulate --show` prints one")
    asked = commands.add_parser("advise", parents=[common], help="workers of each stage for a target, by formula")
    target = asked.add_mutually_exclusive_group()
    target.add_argument("--wait-p95", type=float, help="seconds in each stage's queue; default: 60")
    target.add_argument("--end-to-end-p95", type=float, help="seconds from request to video")
    simulated = commands.add_parser("simulate", parents=[common], help="a load on the endpoints, event by event")
    simulated.add_argument("--hours", type=float, default=24, help="default: %(default)s")
    simulated.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    simulated.add_argument("--fault-rate", type=float, help="share of stage runs that die")
    simulated.add_argument("--keep", action="store_true", help="keep the advised workers always on")
    simulated.add_argument("--one-worker", action="store_true", help="also one worker for all stages, the same faults")
    simulated.add_argument("--show", action="store_true", help="print the scenario as JSON, and simulate nothing")
    simulated.add_argument("--records", type=Path, help="write what ran when to this file, as a load test would")
    compared = commands.add_parser("calibrate", help="a measured load: its service times, and how the simulation errs")
    compared.add_argument("records", type=Path, help="a `scaling.records.Measured` as JSON")
    compared.add_argument("--service", type=Path, help="foretell it with these service times instead, of another load")
    compared.add_argument("--simulations", type=int, default=SEEDS, help="default: %(default)s")
    compared.add_argument("--write", type=Path, help="the service times, as JSON")
    return top


def scenario_of(given: argparse.Namespace) -> Scenario:
    """ValidationError, OSError: a file or a number is not legal."""
    if given.scenario:
        scenario = Scenario.model_validate_json(given.scenario.read_text())
    else:
        arrivals = Poisson(per_hour=given.per_hour, hours=getattr(given, "hours", 1.0))
        scenario = Scenario(arrivals=arrivals, seed=getattr(given, "seed", 7))
    if given.factor:
        scenario = slower(scenario, given.factor)
    if given.service:
        service = ServiceTimes.model_validate_json(given.service.read_text())
        scenario = scenario.model_copy(update={"service": service})
    if (rate := getattr(given, "fault_rate", None)) is not None:
        faults = scenario.faults.model_validate(scenario.faults.model_dump() | {"rate": rate})
        scenario = scenario.model_copy(update={"faults": faults})
    return scenario


def run(given: argparse.Namespace) -> None:
    if given.command == "calibrate":
        service = ServiceTimes.model_validate_json(given.service.read_text()) if given.service else None
        it = replay(Measured.model_validate_json(given.records.read_text()), service, range(given.simulations))
        if given.write:
            given.write.write_text(it.service.model_dump_json(indent=2) + "\n")
        show.comparison(it)
        return
    scenario = scenario_of(given)
    if given.command == "advise":
        wait = given.wait_p95 or (None if given.end_to_end_p95 else 60.0)
        show.advice(
            advise(scenario, given.per_hour, wait_p95=wait, end_to_end_p95=given.end_to_end_p95), given.per_hour
        )
        return
    if given.keep:
        scenario = kept(scenario, given.per_hour, most=False)
    if given.show:
        print(scenario.model_dump_json(indent=2))  # noqa: T201  what was asked for
        return
    result = simulate(scenario.demands(), scenario.endpoints, scenario.service, scenario.faults, scenario.seed)
    show.figures("three stages", figures(result))
    if given.one_worker:
        show.figures("one worker for all", run_whole(scenario))
    if given.records:
        fixed = {s: e.workers_min for s, e in scenario.endpoints.items() if e.workers_min == e.workers_max}
        measured = Measured(workers=fixed, asked=tuple(result.asked), runs=tuple(result.runs))
        given.records.write_text(measured.model_dump_json() + "\n")


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    try:
        run(given)
    except (ValidationError, ValueError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201  the answer of a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
