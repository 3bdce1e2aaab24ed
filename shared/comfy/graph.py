"""API-format graphs whose nodes are addressed by title. Pure: no files, no network.

Inside, a link names a title; ids exist only at the borders (`load`, `api`). A `Graph` never changes: every
function returns a new one. What is wrong with a template is FatalError `graph_rejected`, raised at import by
`require`, long before a GPU waits for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from shared.errors import FatalError

# Classes whose result leaves the graph: `output_node` in tests/contract/graphs/node_catalogue.json.
OUTPUT_CLASSES = frozenset(
    {
        "SaveLatent",
        "SaveVideo",
        "SaveImage",
        "LTXVSaveConditioning",
        "MivoDecodeToVideo",
        "PreviewImage",
        "PreviewAny",
    }
)


class Link(NamedTuple):
    """Output `slot` of the node with this title."""

    title: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `inputs`: name -> literal or `Link`. `id` is kept, so that `api()` is stable."""

    title: str
    class_type: str
    inputs: Mapping[str, Any]
    id: str


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA of a chain: title of its node, file below models/loras, strength."""

    title: str
    name: str
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by title, in the order of the template."""

    nodes: Mapping[str, Node] = field(default_factory=dict)

    @classmethod
    def load(cls, api: Mapping[str, Any]) -> Self:
        """A graph from API-format JSON; FatalError names every missing or doubled title and malformed link."""
        titles: dict[str, str] = {}
        for node_id, node in api.items():
            title = str((node.get("_meta") or {}).get("title") or "").strip()
            if not title or not node.get("class_type"):
                raise _broken(f"node {node_id} ({node.get('class_type')}) has no title or no class")
            titles[node_id] = title
        doubled = sorted({title for title in titles.values() if list(titles.values()).count(title) > 1})
        if doubled:
            raise _broken(f"titles stand twice: {doubled}")
        nodes = {
            titles[node_id]: Node(titles[node_id], node["class_type"], _inputs(node, node_id, titles), node_id)
            for node_id, node in api.items()
        }
        return cls(nodes)

    def api(self) -> dict[str, Any]:
        """API-format JSON. A link to a title that is not there becomes one to the id `missing: title`."""
        ids = {title: node.id for title, node in self.nodes.items()}

        def value(given: Any) -> Any:
            if isinstance(given, Link):
                return [ids.get(given.title, f"missing: {given.title}"), given.slot]
            return given

        return {
            node.id: {
                "class_type": node.class_type,
                "inputs": {name: value(given) for name, given in node.inputs.items()},
                "_meta": {"title": title},
            }
            for title, node in self.nodes.items()
        }

    def require(self, *titles: str) -> Self:
        """This graph; FatalError names the titles that it lacks. For checks at import."""
        missing = [title for title in titles if title not in self.nodes]
        if missing:
            raise _broken(f"the template lacks {missing}; it has {sorted(self.nodes)}")
        return self

    def node(self, title: str) -> Node:
        return self.require(title).nodes[title]

    def link(self, title: str, slot: int = 0) -> Link:
        """The output `slot` of a node that exists, as a value for an input."""
        return Link(self.node(title).title, slot)

    def set(self, title: str, /, **inputs: Any) -> Self:
        """New values for inputs that the node already has; a new name is refused, it would be a misspelling."""
        unknown = sorted(set(inputs) - set(self.node(title).inputs))
        if unknown:
            raise _broken(f"node '{title}' has no inputs {unknown}; it has {sorted(self.node(title).inputs)}")
        return self.attach(title, **inputs)

    def attach(self, title: str, /, **inputs: Any) -> Self:
        """Like `set`, for optional inputs that the template leaves out."""
        node = self.node(title)
        return self._with(replace(node, inputs={**node.inputs, **inputs}))

    def add(self, title: str, class_type: str, /, **inputs: Any) -> Self:
        """One more node. Its id is the next free number, so equal calls give equal JSON."""
        if title in self.nodes:
            raise _broken(f"a node '{title}' is there already")
        numbers = [int(node.id) for node in self.nodes.values() if node.id.isdecimal()]
        return self._with(Node(title, class_type, inputs, str(max(numbers, default=0) + 1)))

    def remove(self, *titles: str) -> Self:
        """Without these nodes. Links to them stay: rewire them, `check` finds the ones forgotten."""
        self.require(*titles)
        return replace(self, nodes={title: node for title, node in self.nodes.items() if title not in titles})

    def consumers(self, source: Link) -> list[tuple[str, str]]:
        """(title, input) of everything that reads this output."""
        return [
            (title, name)
            for title, node in self.nodes.items()
            for name, given in node.inputs.items()
            if isinstance(given, Link) and given == source
        ]

    def rewire(self, old: Link, new: Link, *, keep: Iterable[str] = ()) -> Self:
        """All that read `old` now read `new`, but for the nodes in `keep`; FatalError when nothing reads it."""
        kept = set(keep)
        moved = [(title, name) for title, name in self.consumers(old) if title not in kept]
        if not moved:
            raise _broken(f"nothing reads output {old.slot} of '{old.title}'")
        graph = self
        for title, name in moved:
            graph = graph.set(title, **{name: new})
        return graph

    def insert(self, source: Link, title: str, class_type: str, /, through: str, **inputs: Any) -> Self:
        """A node between an output and all that read it: its input `through` reads `source`, they read its slot 0."""
        graph = self.add(title, class_type, **{through: source}, **inputs)
        return graph.rewire(source, Link(title), keep=[title])

    def lora_chain(self, source: Link, loras: Iterable[Lora]) -> Self:
        """LoraLoaderModelOnly nodes after a model output, in this order; without LoRAs the graph is unchanged."""
        graph = self
        for lora in loras:
            graph = graph.insert(
                source,
                lora.title,
                "LoraLoaderModelOnly",
                through="model",
                lora_name=lora.name,
                strength_model=lora.strength,
            )
            source = Link(lora.title)
        return graph

    def outputs(self) -> list[str]:
        """Titles of the nodes whose result leaves the graph."""
        return [title for title, node in self.nodes.items() if node.class_type in OUTPUT_CLASSES]

    def check(self, *, idle: bool = False) -> list[str]:
        """What is wrong without asking a catalogue: dangling links, bad slots, no or unused nodes, cycles.

        `idle`: nodes that lead to no output are meant to be there; ComfyUI executes none of them, and keeps in its
        cache what they gave before.
        """
        problems = [] if self.outputs() else ["the graph has no output node"]
        for title, node in self.nodes.items():
            for name, given in node.inputs.items():
                if isinstance(given, Link) and given.title not in self.nodes:
                    problems.append(f"'{title}'.{name} reads '{given.title}', which is not there")
                elif isinstance(given, Link) and given.slot < 0:
                    problems.append(f"'{title}'.{name} reads slot {given.slot}")
        used, cycle = _reach(self)
        if not idle:
            problems += [f"'{title}' leads to no output" for title in self.nodes if title not in used]
        return problems + ([f"'{cycle}' depends on itself"] if cycle else [])

    def sources(self, title: str) -> list[str]:
        """Titles that a node reads, as far as they exist."""
        links = (given for given in self.nodes[title].inputs.values() if isinstance(given, Link))
        return [given.title for given in links if given.title in self.nodes]

    def _with(self, node: Node) -> Self:
        return replace(self, nodes={**self.nodes, node.title: node})


def _reach(graph: Graph) -> tuple[set[str], str | None]:
    """All titles that the outputs need, and one node on a cycle, by depth-first search."""
    finished: set[str] = set()
    path: list[str] = []
    cycles: list[str] = []

    def visit(title: str) -> None:
        if title in path:
            cycles.append(title)
        if title in finished or title in path:
            return
        path.append(title)
        for source in graph.sources(title):
            visit(source)
        path.pop()
        finished.add(title)

    for title in graph.outputs():
        visit(title)
    return finished, next(iter(cycles), None)


def _inputs(node: Mapping[str, Any], node_id: str, titles: Mapping[str, str]) -> dict[str, Any]:
    """Inputs with links by title. To ComfyUI every list is a link (facts/comfyui.md: bad_linked_input)."""
    inputs: dict[str, Any] = {}
    for name, given in (node.get("inputs") or {}).items():
        inputs[name] = given
        if isinstance(given, list):
            match given:
                case [str(source), int(slot)]:
                    inputs[name] = Link(titles.get(source, f"id {source}"), slot)
                case _:
                    raise _broken(f"node {node_id}: {name} is a list but no link [id, slot]")
    return inputs


def _broken(message: str) -> FatalError:
    return FatalError("graph_rejected", message)
