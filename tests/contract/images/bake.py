"""docker-bake.hcl as `docker buildx bake --print` renders it, without Docker: the part of the language that it uses.

Blocks, strings with `${...}`, lists, maps, names, `replace`, `inherits` and `matrix`. Anything else is a ValueError.
That Docker reads the same is what test_bake.py asks of a real buildx, wherever there is one.
"""

import re
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

TOKEN = re.compile(r'\s*(?:#[^\n]*|(?P<word>[A-Za-z_][\w-]*)|(?P<mark>[{}\[\]()=,])|(?P<quote>"))')
T = TypeVar("T")
Scope = Mapping[str, Any]
Expression = Callable[[Scope], Any]
FUNCTIONS: Mapping[str, Callable[..., str]] = {"replace": lambda text, old, new: text.replace(old, new)}
KEPT = ("context", "contexts", "dockerfile", "args", "labels", "tags", "target", "secret", "platforms")
"""In the order in which buildx prints them; `inherits`, `matrix` and `name` are used up."""


class Reader:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def next(self) -> str:
        """The next word or mark; empty at the end."""
        while found := TOKEN.match(self._text, self._at):
            self._at = found.end()
            if token := found["word"] or found["mark"] or found["quote"]:
                return token
        if self._text[self._at :].strip():
            raise ValueError(f"not understood: {self._text[self._at :][:40]!r}")
        return ""

    def peek(self) -> str:
        at = self._at
        token = self.next()
        self._at = at
        return token

    def expect(self, mark: str) -> None:
        if (token := self.next()) != mark:
            raise ValueError(f"{mark!r} instead of {token!r} before {self._text[self._at :][:40]!r}")

    def string(self) -> Expression:
        """What stands between this quote and its own end, which may hold quotes inside `${...}`."""
        parts: list[Expression] = []
        while self._text[self._at] != '"':
            if self._text.startswith("${", self._at):
                self._at += 2
                parts.append(self.expression())
                self.expect("}")
                continue
            found = re.compile(r'[^"$\\]+').match(self._text, self._at)
            if found is None:
                raise ValueError(f"not understood in a string: {self._text[self._at :][:40]!r}")
            self._at = found.end()
            parts.append(lambda _, plain=found[0]: plain)  # type: ignore[misc]
        self._at += 1
        return lambda scope: "".join(part(scope) for part in parts)

    def expression(self) -> Expression:
        match self.next():
            case '"':
                return self.string()
            case "[":
                items = self._until("]", self.expression)
                return lambda scope: [item(scope) for item in items]
            case "{":
                pairs = self._until("}", self._pair)
                return lambda scope: {key: value(scope) for key, value in pairs}
            case name if self.peek() == "(" and name in FUNCTIONS:
                self.expect("(")
                given = self._until(")", self.expression)
                return lambda scope: FUNCTIONS[name](*(each(scope) for each in given))
            case name if re.fullmatch(r"[A-Za-z_]\w*", name):
                return lambda scope: scope[name]
            case other:
                raise ValueError(f"no value begins with {other!r}")

    def _pair(self) -> tuple[str, Expression]:
        name = self.next()
        key = self.string()({}) if name == '"' else name
        self.expect("=")
        return str(key), self.expression()

    def _until(self, end: str, one: Callable[[], T]) -> list[T]:
        found: list[T] = []
        while self.peek() != end:
            found.append(one())
            if self.peek() == ",":
                self.next()
        self.expect(end)
        return found

    def blocks(self) -> list[tuple[str, str, dict[str, Expression]]]:
        found = []
        while kind := self.next():
            self.expect('"')
            name = self.string()({})
            self.expect("{")
            found.append((kind, str(name), dict(self._until("}", self._pair))))
        return found


def render(path: Path, environment: Mapping[str, str]) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """(groups, targets), with the variables that the environment sets."""
    blocks = Reader(path.read_text()).blocks()
    scope = {name: environment.get(name, body["default"]({})) for kind, name, body in blocks if kind == "variable"}
    groups = {name: list(body["targets"](scope)) for kind, name, body in blocks if kind == "group"}
    bodies = {name: body for kind, name, body in blocks if kind == "target"}
    targets: dict[str, dict[str, Any]] = {}
    for name, body in bodies.items():
        matrix = body["matrix"](scope) if "matrix" in body else {}
        for values in product(*matrix.values()):
            inner = {**scope, **dict(zip(matrix, values, strict=True))}
            made = str(body["name"](inner)) if matrix else name
            targets[made] = _target(name, bodies, inner)
            if matrix:
                groups.setdefault(name, []).append(made)
    return groups, targets


def _target(name: str, bodies: Mapping[str, dict[str, Expression]], scope: Scope) -> dict[str, Any]:
    body = bodies[name]
    found: dict[str, Any] = {}
    for parent in body["inherits"](scope) if "inherits" in body else []:
        found |= _target(parent, bodies, scope)
    for key, value in body.items():
        if key in KEPT:
            said = value(scope)
            found[key] = {**found.get(key, {}), **said} if isinstance(said, dict) else said
        elif key not in {"inherits", "matrix", "name"}:
            raise ValueError(f"{name}: {key} is not understood")
    return found


def members(group: str, groups: Mapping[str, list[str]]) -> list[str]:
    """The targets of a group, and of the groups in it."""
    return [name for each in groups[group] for name in (members(each, groups) if each in groups else [each])]
