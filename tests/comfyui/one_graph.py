"""Base and refine joined into one graph, with no file between them: what the split must not differ from."""

from typing import Any

from shared.comfy.graph import Graph, Link

REFINE = "Refine: "
WITHOUT_FILES = {
    "Base video latent": Link("Split sound", 0),
    "Base audio latent": Link("Split sound", 1),
    "Text conditioning": Link("Positive prompt"),
}
"""What the refine loads -> where the base has it."""


def join(base: Graph, refine: Graph) -> Graph:
    """Nodes of the refine get a prefix, its loaders of files go, and their readers read the base's own nodes."""
    graph = base
    for title, node in refine.nodes.items():
        if title not in WITHOUT_FILES:
            inputs = {name: _moved(given) for name, given in node.inputs.items()}
            graph = graph.add(REFINE + title, node.class_type, **inputs)
    return graph


def _moved(given: Any) -> Any:
    if not isinstance(given, Link):
        return given
    return WITHOUT_FILES.get(given.title, Link(REFINE + given.title, given.slot))
