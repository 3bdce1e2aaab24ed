"""A plan as plain lines. Values of variables are shown only where they come from the file."""

from collections.abc import Sequence

from deploy.findings import Finding
from deploy.plan import Action, Change, Kind
from deploy.state import Difference, EndpointState, State

SIGNS = {
    Action.CREATE: "+",
    Action.CHANGE: "~",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.KEEP: "=",
    Action.FOREIGN: " ",
}
COUNTED = {Action.KEEP: "as they shall be", Action.FOREIGN: "not ours"}
WORDS = {
    "disk": "container_disk_gb",
    "pools": "gpu_pools",
    "excluded": "excluded_gpus",
    "cuda_min": "min_cuda_version",
    "cuda_allowed": "allowed CUDA versions",
    "credential": "release.credential",
    "idle_timeout": "idle_timeout_seconds",
    "timeout_ms": "execution timeout in ms",
}
"""A field as the file calls it, where it has another name there."""
NOTES = {Action.KEEP: "as it shall be", Action.FOREIGN: "not ours, never touched"}


def table(changes: Sequence[Change], found: Sequence[Finding] = ()) -> str:
    """One block a resource, then what has to be mended, then the sum."""
    lines = [line for change in changes for line in _block(change)]
    lines += [f"{'problem' if finding.blocks else 'note'}: {finding.text}" for finding in found]
    lines.append(summary(changes))
    return "\n".join(lines) + "\n"


def summary(changes: Sequence[Change]) -> str:
    counts = {action: sum(change.action is action for change in changes) for action in Action}
    if not any(change.does_something for change in changes):
        return f"Nothing to do: {counts[Action.KEEP]} as they shall be."
    return ", ".join(f"{count} {COUNTED.get(action, f'to {action}')}" for action, count in counts.items() if count)


def line(change: Change) -> str:
    known = f" ({change.id})" if change.id else ""
    note = f": {NOTES[change.action]}" if change.action in NOTES else ""
    return f"{SIGNS[change.action]:>3} {change.action} {change.kind} {change.name}{known}{note}"


def _block(change: Change) -> list[str]:
    lines = [line(change)]
    if change.action is Action.CREATE and change.after is not None:
        lines += [f"      {name} = {value}" for name, value in _facts(change.after)]
    for difference in change.differences:
        lines += [f"      {text}" for text in _difference(difference)]
    if change.danger:
        lines.append(f"      ! {change.danger}")
    return lines


def _facts(state: State) -> list[tuple[str, str]]:
    """What a new resource costs and holds; the rest stands in the file."""
    if not isinstance(state, EndpointState):
        return [("size_gb", str(state.size)), ("data_center", state.data_center)]
    return [
        ("image", state.image),
        ("gpu_pools", _said(state.pools) + (f", without {_said(state.excluded)}" if state.excluded else "")),
        ("workers", f"{state.workers_min} to {state.workers_max}"),
        ("container_disk_gb", str(state.disk)),
        ("env", ", ".join(name for name, _ in state.env) or "-"),
    ]


def _difference(row: Difference) -> list[str]:
    if row.field != "env" or not isinstance(row.before, tuple) or not isinstance(row.after, tuple):
        return [f"{WORDS.get(row.field, row.field)}: {_said(row.before)} -> {_said(row.after)}"]
    before, after = dict(row.before), dict(row.after)
    lines = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        # what somebody typed into the console may be a secret
        old = "(hidden)" if name in before else "(none)"
        lines.append(f"env {name}: {old} -> {after.get(name, '(none)')}")
    return lines


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value is None or value == "" else str(value)


def variables(changes: Sequence[Change], names: dict[str, str]) -> str:
    """Lines for the orchestrator's environment; `names` is variable -> endpoint."""
    ids = {change.name: change.id for change in changes if change.kind is Kind.ENDPOINT and change.id}
    return "".join(f"{variable}={ids[name]}\n" for variable, name in names.items() if name in ids)
