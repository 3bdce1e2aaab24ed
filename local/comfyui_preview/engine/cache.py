"""The cache of node outputs: an identical graph is served from it and writes nothing (facts/comfyui.md section 7)."""

import hashlib
import json
from typing import Any

from local.comfyui_preview.engine.node import Graph, Result
from local.comfyui_preview.engine.validation import NodeClasses, is_link
from local.comfyui_preview.folders import Folders


def signatures(graph: Graph, classes: NodeClasses, folders: Folders, order: list[str]) -> dict[str, str]:
    """Node -> what its output depends on: class, literal inputs, signatures of what feeds it, contents of files.

    `order` names each node after those that feed it. Node ids and titles do not matter.
    """
    known: dict[str, str] = {}
    for node_id in order:
        node = graph[node_id]
        node_class = classes[node["class_type"]]
        declared = node_class.declared(node.get("inputs", {}))
        values = {
            name: [known[value[0]], value[1]] if is_link(value) else value
            for name, value in node.get("inputs", {}).items()
            if is_link(value) or name in declared
        }
        parts = [node["class_type"], values, node_class.fingerprint(folders, node.get("inputs", {}))]
        known[node_id] = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return known


class OutputCache:
    """Holds what the nodes of the latest graph gave; what a new graph does not use is dropped before it runs."""

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}

    def keep_only(self, wanted: set[str]) -> None:
        self._results = {key: result for key, result in self._results.items() if key in wanted}

    def get(self, signature: str) -> Result | None:
        return self._results.get(signature)

    def put(self, signature: str, result: Result) -> None:
        self._results[signature] = result

    def clear(self) -> None:
        self._results.clear()


def order_of(graph: Graph, outputs: list[str]) -> list[str]:
    """The nodes that the outputs need, each after those that feed it. The graph has no cycle: it was validated."""
    order: list[str] = []
    seen: set[str] = set()
    todo: list[tuple[str, bool]] = [(output, False) for output in reversed(outputs)]
    while todo:
        node_id, fed = todo.pop()
        if fed:
            order.append(node_id)
        elif node_id not in seen:
            seen.add(node_id)
            todo.append((node_id, True))
            links: list[Any] = [v for v in graph[node_id].get("inputs", {}).values() if is_link(v)]
            todo += [(value[0], False) for value in reversed(links)]
    return order
