"""What a real ComfyUI said about the node classes that our graphs use: a part of its recorded catalogue.

`python -m tests.contract.graphs.catalogue` takes it anew from ../shared, after a graph has got a new class. Of the
project's own nodes their code says it.
"""

import json
from pathlib import Path
from typing import Any

from workers.comfy_nodes.mivo import NODE_CLASS_MAPPINGS

HERE = Path(__file__).with_name("node_catalogue.json")
WHOLE = Path(__file__).parents[4] / "shared" / "comfyui" / "node_catalog.json"
"""ComfyUI 0.25.0 with ComfyUI-LTXVideo aceeae9 (facts/comfyui.md); beside the checkout, where there is one."""

WORKERS = Path(__file__).parents[3] / "workers"


def used_classes() -> set[str]:
    """All classes of the gallery; a test sees to it that no other graph has more."""
    graphs = [json.loads(path.read_text()) for path in WORKERS.glob("*/workflows/examples/*.json")]
    return {node["class_type"] for graph in graphs for node in graph.values()}


def part_of(whole: dict[str, Any]) -> dict[str, Any]:
    kept = ("inputs", "outputs", "output_node")
    known = whole | own_nodes()
    return {name: {key: known[name][key] for key in kept} for name in sorted(used_classes())}


def own_nodes() -> dict[str, Any]:
    """The nodes of workers/comfy_nodes in the catalogue's words."""
    return {
        name: {
            "inputs": {
                group: {key: _input(*given) for key, given in inputs.items()}
                for group, inputs in node.INPUT_TYPES().items()
            },
            "outputs": [
                {"slot": slot, "name": kind, "type": kind, "is_list": False}
                for slot, kind in enumerate(node.RETURN_TYPES)
            ],
            "output_node": node.OUTPUT_NODE,
        }
        for name, node in NODE_CLASS_MAPPINGS.items()
    }


def _input(kind: Any, details: dict[str, Any] | None = None) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": "COMBO", "enum_kind": "fixed", "options": kind, **(details or {})}
    return {"type": kind, **(details or {})}


if __name__ == "__main__":
    HERE.write_text(json.dumps(part_of(json.loads(WHOLE.read_text())), indent=1, ensure_ascii=False) + "\n")
