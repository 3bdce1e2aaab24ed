"""`python -m deploy plan|apply|env|status|destroy`: the three RunPod endpoints as endpoints.toml says."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy import desired as files
from deploy import settings, show
from deploy.apply import execute, observe
from deploy.desired import Desired
from deploy.findings import findings
from deploy.plan import Change, Kind, destruction, plan, twins
from deploy.rest import RunPodRest
from deploy.state import Account
from shared.errors import FatalError, MivoError, TransientError, UserError

CHANGES_STATUS = 2
LATER_STATUS = 75
"""EX_TEMPFAIL of sysexits.h: the same may work later."""
NEXT = """The order: workers first, then orchestrators, which speak the newer contract. What an orchestrator needs:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is done; 1 with a message that says what to do; 75 when the same may work later; 2 when `plan
    --detailed-exitcode` has changes.
    """
    args = _parser().parse_args(arguments)
    try:
        desired = files.load(args.file)
        given = settings.load()
        with RunPodRest(given) as rest:
            return int(args.run(args, desired, rest))
    except MivoError as error:
        sys.stderr.write(f"{error.message}\n")
        return LATER_STATUS if error.retryable else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("deploy", description=__doc__)
    parser.add_argument("--file", type=Path, default=files.FILE, help="the desired state (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace, Desired, RunPodRest], int], said: str) -> None:
        added = commands.add_parser(name, help=said)
        added.set_defaults(run=run)
        if name == "plan":
            added.add_argument("--detailed-exitcode", action="store_true", help="status 2 when there are changes")
        if name in {"apply", "destroy"}:
            added.add_argument("--yes", action="store_true", help="also what deletes, replaces or scales to zero")
        if name == "destroy":
            added.add_argument("--volumes", action="store_true", help="the file's volumes too, with their data")

    command("plan", _plan, "what differs on the account; changes nothing")
    command("apply", _apply, "do what plan prints, then look whether it is so")
    command("env", _env, "the endpoint ids as the orchestrator's variables")
    command("status", _status, "how far each roll-out is")
    command("destroy", _destroy, "what would be deleted; with --yes, delete it")
    return parser


def _plan(args: argparse.Namespace, desired: Desired, rest: RunPodRest) -> int:
    account = observe(rest, desired.names())
    changes, found = plan(desired, account), findings(desired, account)
    sys.stdout.write(show.table(changes, found))
    if any(finding.blocks for finding in found):
        return 1
    return CHANGES_STATUS if args.detailed_exitcode and any(change.does_something for change in changes) else 0


def _apply(args: argparse.Namespace, desired: Desired, rest: RunPodRest) -> int:
    account = observe(rest, desired.names())
    changes, found = plan(desired, account), findings(desired, account)
    sys.stdout.write(show.table(changes, found))
    if any(finding.blocks for finding in found):
        raise UserError("invalid_input", "nothing was done: mend the problems above first")
    if not args.yes and any(change.danger for change in changes):
        raise UserError("invalid_input", "nothing was done: say --yes if you mean what is marked with ! above")
    execute(rest, changes, account, _told)
    sys.stdout.write(NEXT + _variables(desired, _verified(desired, rest)))
    return 0


def _verified(desired: Desired, rest: RunPodRest) -> Account:
    """FatalError when the account does not read back as it was written."""
    left: list[Change] = []

    def look() -> Account | None:
        after = observe(rest, desired.names(), preflight=False)
        left[:] = [change for change in plan(desired, after) if change.does_something]
        return None if left else after

    after = rest.eventually(look)
    if after is None:
        raise FatalError("internal", "RunPod took every change, but does not read back so:\n" + show.table(left))
    if twice := twins(desired.names(), after.endpoints):
        said = f"{', '.join(sorted(twice))} exists more than once: did somebody else apply at the same time? See plan"
        raise FatalError("internal", said)
    return after


def _env(_args: argparse.Namespace, desired: Desired, rest: RunPodRest) -> int:
    lines = _variables(desired, observe(rest, desired.names(), preflight=False))
    sys.stdout.write(lines)
    if len(lines.splitlines()) < len(desired.endpoint):
        raise UserError("invalid_input", "not every endpoint exists yet: python -m deploy apply")
    return 0


def _variables(desired: Desired, account: Account) -> str:
    names = {row.variable: desired.name(row) for row in desired.endpoint}
    return show.variables(plan(desired, account), names)


def _status(_args: argparse.Namespace, desired: Desired, rest: RunPodRest) -> int:
    """Rolled out when every worker is on the latest release; busy ones finish their job first."""
    for change in plan(desired, observe(rest, desired.names(), preflight=False)):
        if change.kind is Kind.ENDPOINT and change.id and change.after is not None:
            rollout = rest.rollout(change.id)
            state = "rolling out" if rollout.in_progress else "rolled out"
            sys.stdout.write(
                f"{change.name}: {state}, {rollout.on_latest} of {rollout.workers} workers on the latest\n"
            )
    return 0


def _destroy(args: argparse.Namespace, desired: Desired, rest: RunPodRest) -> int:
    account = observe(rest, desired.names(), preflight=False)
    changes = destruction(desired, account, volumes=args.volumes)
    sys.stdout.write(show.table(changes))
    if not args.yes:
        sys.stdout.write("Nothing was done: say --yes to delete them.\n")
        return 0
    execute(rest, changes, account, _told)
    left = destruction(desired, observe(rest, desired.names(), preflight=False), volumes=args.volumes)
    if any(change.does_something for change in left):
        raise TransientError("runpod_unavailable", "RunPod took every deletion, but still lists some: look again soon")
    return 0


def _told(change: Change) -> None:
    sys.stdout.write(f"done: {show.line(change).strip()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
