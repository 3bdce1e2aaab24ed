"""A graph against a node catalogue, as ComfyUI itself would judge it, and a little stricter. Pure.

The catalogue has the shape of comfyui/node_catalog.json: class -> {inputs: {required, optional}, outputs,
output_node}. Stricter than the server on purpose, where it fails silently or late (facts/comfyui.md section 5):
unknown inputs, and floats for INT (truncated there).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.comfy.graph import Graph, Link, Node

ProblemKind = Literal[
    "graph",
    "unknown_class",
    "missing_input",
    "unknown_input",
    "bad_link",
    "link_type",
    "not_a_link",
    "value_type",
    "value_not_in_list",
    "out_of_range",
]
Spec = Mapping[str, Any]
LITERAL_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"})
# Recorded as fixed, because that server had no file in models/vae; it lists files like every other loader.
FILE_ENUMS = frozenset({("VAELoader", "vae_name")})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `title` and `input` are empty for what concerns the whole graph or node."""

    kind: ProblemKind
    title: str
    input: str
    message: str

    def __str__(self) -> str:
        where = f"'{self.title}'" + (f".{self.input}" if self.input else "")
        return f"{where}: {self.message}" if self.title else self.message


def validate(graph: Graph, catalogue: Mapping[str, Spec], *, idle: bool = False) -> list[Problem]:
    """Everything that is wrong with a graph, including what `Graph.check` finds; empty when it is fine."""
    problems = [Problem("graph", "", "", message) for message in graph.check(idle=idle)]
    for node in graph.nodes.values():
        problems.extend(_node_problems(graph, node, catalogue))
    return problems


def _node_problems(graph: Graph, node: Node, catalogue: Mapping[str, Spec]) -> Iterator[Problem]:
    if "inputs" not in catalogue.get(node.class_type, {}):
        yield Problem("unknown_class", node.title, "", f"the server has no class {node.class_type}")
        return
    required, optional = _specs(catalogue[node.class_type]["inputs"], node)
    for name in required:
        if name not in node.inputs:
            yield Problem("missing_input", node.title, name, "a required input is missing")
    known = {**optional, **required}
    for name, given in node.inputs.items():
        if name not in known:
            yield Problem("unknown_input", node.title, name, f"{node.class_type} has no such input")
        elif isinstance(given, Link):
            yield from _link_problems(node, name, known[name], graph.nodes.get(given.title), catalogue)
        else:
            yield from _value_problems(node, name, given, known[name])


def _specs(inputs: Mapping[str, Any], node: Node, prefix: str = "") -> tuple[dict[str, Spec], dict[str, Spec]]:
    """(required, optional) by the name in API form. The chosen key of a dynamic combo adds `combo.sub` inputs."""
    required = {prefix + name: spec for name, spec in inputs.get("required", {}).items()}
    optional = {prefix + name: spec for name, spec in inputs.get("optional", {}).items()}
    for name, spec in [*required.items(), *optional.items()]:
        for choice in spec.get("dynamic_keys", []):
            if node.inputs.get(name) in choice:
                more, maybe = _specs(choice[node.inputs[name]], node, prefix=f"{name}.")
                required |= more
                optional |= maybe
    return required, optional


def _link_problems(
    node: Node, name: str, spec: Spec, source: Node | None, catalogue: Mapping[str, Spec]
) -> Iterator[Problem]:
    link: Link = node.inputs[name]
    outputs = catalogue.get(source.class_type, {}).get("outputs") if source else None
    if source is None or outputs is None:
        return  # reported already: a dangling link by Graph.check, an unknown class at its own node
    if not 0 <= link.slot < len(outputs):
        message = f"'{link.title}' ({source.class_type}) has no output {link.slot}"
        yield Problem("bad_link", node.title, name, message)
        return
    given, wanted = outputs[link.slot]["type"], _wanted(spec)
    if not _compatible(given, wanted):
        yield Problem("link_type", node.title, name, f"takes {wanted}, but '{link.title}' gives {given}")


def _wanted(spec: Spec) -> str:
    """The type of an input; a match-type input takes any of its allowed types."""
    template = spec.get("template") or {}
    return str(template.get("allowed_types", spec["type"]))


def _compatible(given: str, wanted: str) -> bool:
    """Equal types, a wildcard on either side, or overlapping unions such as "IMAGE,MASK"."""
    if given == "COMFY_MATCHTYPE_V3":  # takes the type of what went in, which is checked there
        return True
    return "*" in (given, wanted) or bool(set(given.split(",")) & set(wanted.split(",")))


def _value_problems(node: Node, name: str, given: object, spec: Spec) -> Iterator[Problem]:
    kind = spec["type"]
    if kind not in LITERAL_TYPES or spec.get("forceInput"):
        if kind != "*":
            yield Problem("not_a_link", node.title, name, f"takes a link to {kind}, not a value")
        return
    if not _has_type(given, kind):
        yield Problem("value_type", node.title, name, f"takes {kind}, not {type(given).__name__}")
        return
    legal = None if (node.class_type, name) in FILE_ENUMS else _options(spec)
    if legal is not None and given not in legal:
        yield Problem("value_not_in_list", node.title, name, f"{given!r} is none of {legal[:8]}")
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        low, high = spec.get("min", given), spec.get("max", given)
        if not low <= given <= high:  # False for NaN as well
            yield Problem("out_of_range", node.title, name, f"{given} is not within {low} to {high}")


def _has_type(given: object, kind: str) -> bool:
    match kind:
        case "INT":
            return isinstance(given, int) and not isinstance(given, bool)
        case "FLOAT":
            return isinstance(given, (int, float)) and not isinstance(given, bool)
        case "BOOLEAN":
            return isinstance(given, bool)
        case "STRING":
            return isinstance(given, str)
        case _:
            return isinstance(given, (str, int, float))  # a few combos list numbers


def _options(spec: Spec) -> list[Any] | None:
    """The legal values; None where the server's files decide (`enum_kind: files_on_server`) or anything goes."""
    if spec["type"] == "COMFY_DYNAMICCOMBO_V3":
        return [key for choice in spec["dynamic_keys"] for key in choice]
    return list(spec["options"]) if spec.get("enum_kind") == "fixed" else None
