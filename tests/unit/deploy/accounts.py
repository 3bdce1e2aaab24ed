"""Accounts and desired states for the tests of the pure half."""

from pathlib import Path
from typing import Any

from deploy import answers, bodies
from deploy.bodies import Ids
from deploy.desired import Desired, load
from deploy.plan import Action, Change
from deploy.state import Account, EndpointState, VolumeState
from tests.integration.deploy.account import FakeAccount

EXAMPLE = load(Path(__file__).parents[2] / "integration" / "deploy" / "endpoints.toml")
COMMITTED = load()
"""For people to change: tests only hold it to what must be so."""


def desired(**changes: Any) -> Desired:
    """The example with other values at the top, checked again."""
    return Desired.model_validate({**EXAMPLE.model_dump(exclude_unset=True), **changes})


def endpoint(at: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of the example with other values."""
    return {**EXAMPLE.endpoint[at].model_dump(exclude_unset=True), **changes}


def only(**changes: Any) -> Desired:
    """Just base_gen, with other values."""
    return desired(endpoint=[endpoint(**changes)])


def seen(fake: FakeAccount, owned: frozenset[str], **more: Any) -> Account:
    """As `apply.observe` reads it, without HTTP."""
    volumes = {row["id"]: row["name"] for row in fake.volumes.values()}
    credentials = {row["id"]: row["name"] for row in fake.registries}
    rows = [answers.read(answers.Endpoint, row, "list") for row in fake.endpoints.values()]
    return Account(
        endpoints=tuple(row.seen(volumes, credentials) for row in rows if row.name in owned),
        volumes=tuple(answers.read(answers.Volume, row, "list").seen() for row in fake.volumes.values()),
        foreign=tuple((row.name, row.id) for row in rows if row.name not in owned),
        **more,
    )


def perform(fake: FakeAccount, change: Change) -> None:
    """As `apply.execute` does it, without HTTP: the bodies are the real ones, and the account refuses wrong ones."""
    ids = Ids({row["name"]: row["id"] for row in fake.volumes.values()})
    if isinstance(change.before, EndpointState) and change.action in {Action.DELETE, Action.REPLACE}:
        fake.delete_endpoint(str(change.id))
    if isinstance(change.before, VolumeState) and change.action is Action.DELETE:
        fake.delete_volume(str(change.id))
    match change.action, change.before, change.after:
        case ((Action.CREATE | Action.REPLACE), _, EndpointState() as after):
            fake.create_endpoint(bodies.create(change.name, after, ids))
        case Action.CHANGE, EndpointState() as before, EndpointState() as after:
            fake.change_endpoint(str(change.id), bodies.alter(before, after, ids))
        case Action.CREATE, _, VolumeState() as after:
            fake.create_volume(bodies.volume(change.name, after))
        case Action.CHANGE, VolumeState(), VolumeState() as after:
            fake.change_volume(str(change.id), {"size": after.size})
