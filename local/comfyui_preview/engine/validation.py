"""Judges a graph before anything runs, as ComfyUI 0.25 does (facts/comfyui.md section 5)."""

from dataclasses import dataclass, field
from typing import Any

from local.comfyui_preview.engine import problems
from local.comfyui_preview.engine.inputs import Input, Offer
from local.comfyui_preview.engine.node import Graph, Node
from local.comfyui_preview.engine.problems import Problem

NodeClasses = dict[str, type[Node]]
_CONVERT = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass
class Verdict:
    """What POST /prompt answers. Without `error` the good outputs run, even when `node_errors` names bad ones."""

    error: Problem | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, dict[str, Any]] = field(default_factory=dict)


def is_link(value: Any) -> bool:
    return isinstance(value, list)


def validate(graph: Graph, classes: NodeClasses, offer: Offer) -> Verdict:
    """Judges a graph. Numbers in it are converted in place (23.976 for an INT becomes 23), as ComfyUI does."""
    for node_id, node in graph.items():
        if node.get("class_type") not in classes:
            return Verdict(error=problems.unknown_node(node_id, node))
    wanted = [node_id for node_id, node in graph.items() if classes[node["class_type"]].is_output]
    if not wanted:
        return Verdict(error=problems.NO_OUTPUTS)
    return _Judge(graph, classes, offer).outputs(wanted)


class _Judge:
    def __init__(self, graph: Graph, classes: NodeClasses, offer: Offer) -> None:
        self._graph, self._classes, self._offer = graph, classes, offer
        self._found: dict[str, tuple[bool, list[Problem]]] = {}  # node -> (it and all that feeds it are good, why not)

    def outputs(self, wanted: list[str]) -> Verdict:
        verdict = Verdict()
        sentences: list[str] = []
        for output in wanted:
            seen = set(self._found)
            try:
                good = self._node(output, ())
            except Exception as error:  # noqa: BLE001  whatever goes wrong here is the answer
                good = False
                self._found[output] = (False, [problems.exception(error)])
            if good:
                verdict.outputs.append(output)
                continue
            sentences += [f"{p['message']}: {p['details']}" for p in self._found.get(output, (False, []))[1]]
            for node_id, (_, found) in self._found.items():
                if found and (node_id not in seen or self._feeds(node_id, output)):
                    self._entry(verdict, node_id, found)["dependent_outputs"].append(output)
        if not verdict.outputs:
            message = "Prompt outputs failed validation"
            verdict.error = problems.problem("prompt_outputs_failed_validation", message, "\n".join(sentences))
        return verdict

    def _entry(self, verdict: Verdict, node_id: str, found: list[Problem]) -> dict[str, Any]:
        kind = self._graph[node_id]["class_type"]
        fresh: dict[str, Any] = {"errors": found, "dependent_outputs": [], "class_type": kind}
        return verdict.node_errors.setdefault(node_id, fresh)

    def _feeds(self, node_id: str, output: str) -> bool:
        reached, todo = {output}, [output]
        while todo:
            for value in self._graph[todo.pop()].get("inputs", {}).values():
                if is_link(value) and len(value) == 2 and value[0] in self._graph and value[0] not in reached:
                    reached.add(value[0])
                    todo.append(value[0])
        return node_id in reached

    def _node(self, node_id: str, path: tuple[str, ...]) -> bool:
        if node_id in self._found:
            return self._found[node_id][0]
        if node_id in path:
            self._cycle(path[path.index(node_id) :])
            return False
        node = self._graph[node_id]
        node_class = self._classes[node["class_type"]]
        values = node.get("inputs", {})
        found: list[Problem] = []
        good = True
        for name, declared in node_class.declared(values).items():
            if name not in values:
                if not declared.optional:
                    found.append(problems.missing(name))
                continue
            if is_link(values[name]):
                good &= self._link(name, declared, values[name], (*path, node_id), found)
            else:
                self._literal(node_class, name, declared, values, found)
        found += self._judged(node_class, values)
        if node_id in self._found:  # a cycle through this node was found on the way
            return False
        self._found[node_id] = (good and not found, found)
        return good and not found

    def _link(self, name: str, declared: Input, value: Any, path: tuple[str, ...], found: list[Problem]) -> bool:
        config = declared.config(self._offer)
        if len(value) != 2:
            found.append(problems.bad_link(name, config, value))
            return False
        source = value[0]
        outputs = self._classes[self._graph[source]["class_type"]].outputs
        got = tuple(kind for kind, _ in outputs)[value[1]]
        if declared.kind not in {got, "*"} and got != "*":
            found.append(problems.type_mismatch(name, config, declared.kind, got, value))
            return False
        try:
            return self._node(source, path)
        except Exception as error:  # noqa: BLE001  whatever goes wrong here is the answer
            self._found[source] = (False, [problems.inner_exception(name, config, value, error)])
            return False

    def _literal(
        self, node_class: type[Node], name: str, declared: Input, values: dict[str, Any], found: list[Problem]
    ) -> None:
        config = declared.config(self._offer)
        if declared.kind in _CONVERT:
            try:
                values[name] = _CONVERT[declared.kind](values[name])
            except (ValueError, TypeError) as error:
                found.append(problems.unconvertible(name, declared.kind, config, values[name], error))
                return
        value = values[name]
        if name in node_class.judged:
            return
        if declared.low is not None and value < declared.low:
            found.append(problems.out_of_bounds(name, config, value, declared.low, low=True))
        elif declared.high is not None and value > declared.high:
            found.append(problems.out_of_bounds(name, config, value, declared.high, low=False))
        elif declared.options and value not in config[0]:
            found.append(problems.not_in_list(name, config, value, config[0]))
        elif declared.branches and value not in declared.branches:
            found.append(problems.not_in_list(name, config, value, list(declared.branches)))

    def _judged(self, node_class: type[Node], values: dict[str, Any]) -> list[Problem]:
        if not node_class.judged or any(is_link(values.get(n)) or n not in values for n in node_class.judged):
            return []
        why = node_class.problem(self._offer.folders, values)
        return [problems.judged(name, why) for name in node_class.judged] if why else []

    def _cycle(self, members: tuple[str, ...]) -> None:
        words = " -> ".join(f"{m} ({self._graph[m]['class_type']})" for m in (*members, members[0]))
        for member in members:
            self._found[member] = (False, [problems.cycle(member, list(members), words)])
