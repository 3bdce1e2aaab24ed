"""Looking at the account, and doing what a plan says: one change after the other, each safe to be done again."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from deploy import answers, bodies
from deploy.answers import Named
from deploy.bodies import Ids
from deploy.plan import Action, Change, Kind
from deploy.rest import RunPodRest
from deploy.state import Account, EndpointState, VolumeState, base_name
from shared.errors import FatalError

PATHS = {Kind.ENDPOINT: "serverless", Kind.VOLUME: "network-volumes"}


def observe(rest: RunPodRest, owned: frozenset[str], *, preflight: bool = True) -> Account:
    """The account as it is; `owned` are the names of our endpoints. Without `preflight`, only what a plan compares."""
    volumes = rest.volumes()
    credentials = rest.credentials()
    volume_names = {row.id: row.name for row in volumes}
    credential_names = {row.id: row.name for row in credentials}
    listed = rest.endpoints()
    ours = [answers.read(answers.Endpoint, body, row.name) for row, body in listed if base_name(row.name) in owned]
    account = Account(
        endpoints=tuple(row.seen(volume_names, credential_names) for row in ours),
        volumes=tuple(row.seen() for row in volumes),
        foreign=tuple((row.name, row.id) for row, _ in listed if base_name(row.name) not in owned),
        credentials=tuple((row.name, row.id) for row in credentials),
    )
    if not preflight:
        return account
    return replace(account, gpus=tuple(row.gpu() for row in rest.gpus()), secrets=rest.secrets())


def execute(rest: RunPodRest, changes: Sequence[Change], account: Account, tell: Callable[[Change], None]) -> None:
    """Every change that does something, in order; `tell` after each. The first failure ends it: what was done stays
    done, and the next plan holds the rest.
    """
    volumes = {row.name: row.id for row in account.volumes}
    for change in changes:
        if not change.does_something:
            continue
        made = _do(rest, change, Ids(volumes, dict(account.credentials)))
        if made is not None and change.kind is Kind.VOLUME:
            volumes[change.name] = made
        tell(change)


def _do(rest: RunPodRest, change: Change, ids: Ids) -> str | None:
    """The id of what was made, if something was."""
    path = PATHS[change.kind]
    match change.action, change.before, change.after:
        case Action.DELETE, _, _:
            rest.delete(f"{path}/{change.id}")
        case Action.CREATE, _, VolumeState() as after:
            return rest.create(path, bodies.volume(change.name, after), lambda: _id_of(change, rest.volumes()))
        case Action.CHANGE, VolumeState(), VolumeState() as after:
            rest.change(f"{path}/{change.id}", {"size": after.size})
        case Action.CHANGE, EndpointState() as before, EndpointState() as after:
            rest.change(f"{path}/{change.id}", bodies.alter(before, after, ids))
        case ((Action.CREATE | Action.REPLACE), _, EndpointState() as after):
            if change.action is Action.REPLACE:
                rest.delete(f"{path}/{change.id}")
            body = bodies.create(change.name, after, ids)
            return rest.create(path, body, lambda: _id_of(change, [row for row, _ in rest.endpoints()]))
        case _:
            raise FatalError("internal", f"no way to {change.action} a {change.kind}")
    return None


def _id_of(change: Change, rows: Sequence[Named]) -> str | None:
    """Of the one that is being made; a list may still hold the one that it replaces."""
    return next((row.id for row in rows if base_name(row.name) == change.name and row.id != change.id), None)
