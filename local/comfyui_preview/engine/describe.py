"""GET /object_info: what ComfyUI's front end and the graph checks of clients read."""

from typing import Any

from local.comfyui_preview.engine.inputs import Offer
from local.comfyui_preview.engine.node import Node


def describe(node_class: type[Node], offer: Offer) -> dict[str, Any]:
    """The entry of one node class."""
    groups: dict[str, dict[str, Any]] = {"required": {}}
    for name, declared in node_class.inputs.items():
        group = groups.setdefault("optional" if declared.optional else "required", {})
        group[name] = declared.config(offer)
    return {
        "input": groups,
        "input_order": {group: list(entries) for group, entries in groups.items()},
        "is_input_list": False,
        "output": [kind for kind, _ in node_class.outputs],
        "output_is_list": [False] * len(node_class.outputs),
        "output_name": [name for _, name in node_class.outputs],
        "name": node_class.__name__,
        "display_name": node_class.__name__,
        "description": (node_class.__doc__ or "").strip(),
        "python_module": "local.comfyui_preview",
        "category": node_class.category,
        "output_node": node_class.is_output,
    }
