"""(desired, account) -> changes. Pure: `apply` does exactly these, in this order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deploy.desired import Desired
from deploy.state import (
    Account,
    Difference,
    EndpointState,
    Seen,
    State,
    base_name,
    differences,
    wanted,
)


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    """Delete, then create: the id changes, so the orchestrator has to be told."""
    DELETE = "delete"
    KEEP = "keep"
    FOREIGN = "foreign"
    """Not ours: never touched."""


class Kind(StrEnum):
    VOLUME = "volume"
    ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Change:
    """What is to be done about one resource."""

    action: Action
    kind: Kind
    name: str
    id: str | None = None
    before: State | None = None
    after: State | None = None

    @property
    def differences(self) -> tuple[Difference, ...]:
        if self.before is None or self.after is None:
            return ()
        return differences(self.before, self.after)

    @property
    def does_something(self) -> bool:
        return self.action not in {Action.KEEP, Action.FOREIGN}

    @property
    def danger(self) -> str | None:
        """Why it is done only with --yes; None when it is harmless."""
        if self.action is Action.DELETE and self.kind is Kind.VOLUME:
            return "deletes a volume and all that lies on it"
        if self.action in {Action.DELETE, Action.REPLACE}:
            return "deletes an endpoint: its queued and running jobs are canceled, and its id is gone"
        if isinstance(self.before, EndpointState) and isinstance(self.after, EndpointState):
            if self.before.workers_max > 0 == self.after.workers_max:
                return "scales to zero: no job of this stage runs any more"
            if self.before.workers_min > 0 == self.after.workers_min:
                return "no worker is always on any more: the next job waits for a cold start"
        return None


def plan(desired: Desired, account: Account) -> tuple[Change, ...]:
    """Volumes first, as endpoints name them; deletions last, when all else has been done."""
    endpoints, volumes = wanted(desired)
    return _ordered(
        *_compared(Kind.VOLUME, volumes, account.volumes),
        *_compared(Kind.ENDPOINT, endpoints, account.endpoints),
        *_rest(Kind.VOLUME, account.volumes, kept=volumes, owned=frozenset()),
        *_rest(Kind.ENDPOINT, account.endpoints, kept=endpoints, owned=desired.names()),
        *_foreign(account),
    )


def destruction(desired: Desired, account: Account, *, volumes: bool) -> tuple[Change, ...]:
    """Deletes every endpoint with one of our names; volumes only where asked, and only those of the file."""
    named = frozenset(row.name for row in desired.volume) if volumes else frozenset[str]()
    return _ordered(
        *_rest(Kind.ENDPOINT, account.endpoints, kept=(), owned=desired.names()),
        *_rest(Kind.VOLUME, account.volumes, kept=(), owned=named),  # after the endpoints that use it
        *_foreign(account),
    )


UNCHANGEABLE = {Kind.ENDPOINT: frozenset({"type", "compute"}), Kind.VOLUME: frozenset[str]()}
"""Fields that no PATCH knows (REST v2, `UpdateEndpointRequest`), so that another one has to be made. A volume is never
replaced, for its data: `findings` refuses what cannot be.
"""
_ORDER = {Action.DELETE: 1, Action.KEEP: 2, Action.FOREIGN: 3}


def twins(names: Iterable[str], seen: Sequence[Seen]) -> dict[str, int]:
    """Names that several resources have: which is meant, a person has to say."""
    counts = {name: sum(base_name(row.name) == name for row in seen) for name in names}
    return {name: count for name, count in counts.items() if count > 1}


def _compared(kind: Kind, targets: Mapping[str, State], seen: Sequence[Seen]) -> list[Change]:
    changes = []
    for name, after in targets.items():
        found = min((row for row in seen if base_name(row.name) == name), key=_age, default=None)
        if found is None:
            changes.append(Change(Action.CREATE, kind, name, after=after))
            continue
        changed = {row.field for row in differences(found.state, after)}
        action = Action.KEEP if not changed else Action.REPLACE if changed & UNCHANGEABLE[kind] else Action.CHANGE
        changes.append(Change(action, kind, name, found.id, found.state, after))
    return changes


def _rest(kind: Kind, seen: Sequence[Seen], *, kept: Collection[str], owned: frozenset[str]) -> list[Change]:
    changes = []
    for row in seen:
        name = base_name(row.name)
        if name not in kept:
            action = Action.DELETE if name in owned else Action.FOREIGN
            changes.append(Change(action, kind, row.name, row.id, before=row.state))
    return changes


def _foreign(account: Account) -> list[Change]:
    return [Change(Action.FOREIGN, Kind.ENDPOINT, name, known) for name, known in account.foreign]


def _ordered(*changes: Change) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: _ORDER.get(change.action, 0)))


def _age(row: Seen) -> tuple[str, str]:
    return row.created_at, row.id
