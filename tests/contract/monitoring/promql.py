"""What a query asks for, against what an orchestrator really exposes."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import promql_parser

from orchestrator.metrics import DELIVERIES, Metrics
from orchestrator.queue import NAMES
from orchestrator.runpod_client import OPERATIONS, OUTCOMES
from orchestrator.transitions import GenerationState, RunState
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorCode

SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""
CLOSED: dict[str, set[str]] = {
    "job": {"ltx2"},
    "stage": {*Stage},
    "state": {*RunState, *GenerationState, *DELIVERIES},
    "code": {code for family in get_args(ErrorCode) for code in get_args(family)},
    "task": {*NAMES},
    "operation": {*OPERATIONS},
    "outcome": {*OUTCOMES},
    "kind": {"charged", "refunded"},
}
"""Labels of which every value is known."""


@cache
def series() -> dict[str, frozenset[str]]:
    """Name of every series -> its labels, as a fresh registry knows them."""
    found = {"up": SCRAPED}
    for name, collector in Metrics().registry._names_to_collectors.items():
        labels = frozenset(getattr(collector, "_labelnames", ())) | SCRAPED
        found[name] = labels | {"le"} if name.endswith("_bucket") else labels
    return found


@cache
def begun() -> dict[tuple[str, str], set[str]]:
    """(series, label) -> values that stand there from the start."""
    found: dict[tuple[str, str], set[str]] = {}
    for family in Metrics().registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault((sample.name, label), set()).add(value)
    return found


def parsed(query: str) -> Any:
    """Its tree; Grafana's own variables are given a value first."""
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def nodes(tree: Any) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(tree, found.append)
    return found


def selectors(tree: Any) -> list[Any]:
    return [node for node in nodes(tree) if isinstance(node, promql_parser.VectorSelector)]


def faults(query: str) -> Iterator[str]:
    """All that is wrong with a query; ValueError where it is no PromQL at all."""
    tree = parsed(query)
    for selector in selectors(tree):
        if selector.name not in series():
            yield f"{selector.name} is no series of ours"
            continue
        for matcher in selector.matchers.matchers:
            yield from _faults_of(selector.name, matcher)
    for node in nodes(tree):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            below = [series().get(selector.name, frozenset()) for selector in selectors(node.expr)]
            yield from (f"no label {label}" for label in node.modifier.labels if any(label not in has for has in below))


def _faults_of(name: str, matcher: Any) -> Iterator[str]:
    if matcher.name not in series()[name]:
        yield f"{name} has no label {matcher.name}"
        return
    legal = begun().get((name, matcher.name)) or CLOSED.get(matcher.name)
    if legal is None:
        return
    exact = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual)
    for value in [matcher.value] if exact else matcher.value.split("|"):
        if not any(value == each if exact else re.fullmatch(value, each) for each in legal):
            yield f"{name} never has {matcher.name}={value}"


def labels_of(tree: Any) -> frozenset[str]:
    """Labels that the answer has."""
    match tree:
        case promql_parser.AggregateExpr():
            found = frozenset(tree.modifier.labels) if tree.modifier else frozenset()
        case promql_parser.BinaryExpr():
            found = labels_of(tree.lhs) | labels_of(tree.rhs)
        case promql_parser.ParenExpr():
            found = labels_of(tree.expr)
        case promql_parser.MatrixSelector():
            found = labels_of(tree.vector_selector)
        case promql_parser.VectorSelector():
            found = series()[str(tree.name)]
        case promql_parser.Call(func=func) if func.name != "absent":
            vector = next(each for each in tree.args if not isinstance(each, promql_parser.NumberLiteral))
            found = labels_of(vector) - ({"le"} if func.name == "histogram_quantile" else set())
        case _:
            found = frozenset()
    return found
