"""ComfyUI's WebSocket messages folded into the state of one run. Pure: no sockets, no clock.

`Run` is the state, `after(event)` the only step. A history entry folds through the same step, so both ways to
learn of an end give the same outcome. Message forms: facts/comfyui.md section 5.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from shared.comfy.failures import GraphJson, node_failure, title_of
from shared.errors import FatalError, MivoError, TransientError

RunState = Literal["queued", "running", "succeeded", "failed", "interrupted"]
FINAL: frozenset[RunState] = frozenset({"succeeded", "failed", "interrupted"})

NodeOutput = Mapping[str, Any]  # what an output node reports, e.g. {"latents": [{filename, subfolder, type}]}


@dataclass(frozen=True, slots=True)
class Event:
    """One text message. `prompt_id` is None where the message is about no run in particular."""

    kind: str
    prompt_id: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """How far one node is. `rounds`: how often its counter began again (LTXVLoopingSampler: once per tile)."""

    value: float
    maximum: float
    done: bool = False
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file as ComfyUI names it; `kind` is output, input or temp."""

    filename: str
    subfolder: str = ""
    kind: str = "output"


def parse(frame: str | bytes) -> Event | None:
    """The event in a frame; None for a binary one (previews). ValueError for text that is no message."""
    if isinstance(frame, bytes):
        return None
    message = json.loads(frame)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("a WebSocket message without a type")  # noqa: TRY004  malformed input, no programming error
    data = message.get("data")
    data = data if isinstance(data, dict) else {}
    prompt_id = data.get("prompt_id")
    return Event(message["type"], prompt_id if isinstance(prompt_id, str) else None, data)


@dataclass(frozen=True, slots=True)
class Run:
    """One graph on its way through ComfyUI, as far as the events tell."""

    prompt_id: str
    graph: GraphJson = field(repr=False)
    state: RunState = "queued"
    node: str | None = None  # id of the node that runs now
    cached: frozenset[str] = frozenset()
    nodes: Mapping[str, NodeProgress] = field(default_factory=dict)
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    error: MivoError | None = None
    closed: bool = False  # `executing null` was seen: from here on the history holds the run

    @property
    def over(self) -> bool:
        return self.state in FINAL

    @property
    def title(self) -> str | None:
        """The title of the node that runs now."""
        return None if self.node is None else title_of(self.graph, self.node)

    def after(self, event: Event) -> "Run":  # noqa: C901, PLR0911, PLR0912  one case per kind of message
        """The state after one event. Events of other runs, and kinds that say nothing here, change nothing.

        The `executing` that greets a reconnected socket names no run, so it changes nothing either.
        """
        if event.prompt_id != self.prompt_id:
            return self
        data = event.data
        match event.kind:
            case "executing" if data.get("node") is None:
                return replace(self, node=None, closed=True)
            case _ if self.over:
                return self
            case "execution_start":
                return replace(self, state="running")
            case "execution_cached":
                return replace(self, state="running", cached=self.cached | frozenset(map(str, data["nodes"])))
            case "executing":
                return _enter(self, str(data["node"]))
            case "progress":
                node_id = str(data["node"])  # after a reconnect this may be the first that we hear of the node
                return _advance(_enter(self, node_id), {node_id: (data["value"], data["max"], False)})
            case "progress_state":
                rows = data["nodes"].items()
                return _advance(self, {i: (n["value"], n["max"], n["state"] == "finished") for i, n in rows})
            case "executed":
                return replace(self, outputs={**self.outputs, str(data["node"]): data.get("output") or {}})
            case "execution_success":
                return replace(self, state="succeeded", node=None)
            case "execution_error":
                return replace(self, state="failed", node=None, error=node_failure(data, self.graph))
            case "execution_interrupted":
                return replace(self, state="interrupted", node=None, error=_interrupted())
            case _:
                return self

    def files(self, title: str) -> tuple[FileRef, ...]:
        """The files that the node with this title wrote; FatalError `bad_output` when it wrote none."""
        for node_id, output in self.outputs.items():
            refs = files_of(output) if title_of(self.graph, node_id) == title else ()
            if refs:
                return refs
        raise FatalError("bad_output", f"node '{title}' reported no file")


def outcome_of_history(entry: Mapping[str, Any]) -> Run:
    """The final state of a run as its entry of GET /history/{prompt_id} tells it.

    A failed status without messages (ComfyUI lost the reason) is `internal`.
    """
    _, prompt_id, graph = entry["prompt"][:3]
    run = Run(prompt_id=prompt_id, graph=graph)
    status = entry.get("status") or {}
    for kind, data in status.get("messages") or []:
        run = run.after(Event(kind, data.get("prompt_id"), data))
    run = replace(run, outputs=dict(entry.get("outputs") or {}), closed=True, node=None)
    if run.over:
        return run
    if status.get("status_str") == "success":
        return replace(run, state="succeeded")
    return replace(run, state="failed", error=FatalError("internal", "ComfyUI's history gives no reason"))


def files_of(output: NodeOutput) -> tuple[FileRef, ...]:
    """The files in one node's output, whatever key they stand under (images, latents, audio, ...)."""
    lists = (value for value in output.values() if isinstance(value, list))
    found = (item for items in lists for item in items if isinstance(item, Mapping) and "filename" in item)
    return tuple(FileRef(f["filename"], f.get("subfolder") or "", f.get("type") or "output") for f in found)


def _enter(run: Run, node_id: str) -> Run:
    """A node begins; the one before it, if any, has ended."""
    nodes = dict(run.nodes)
    if run.node is not None and run.node != node_id and run.node in nodes:
        nodes[run.node] = replace(nodes[run.node], done=True)
    nodes.setdefault(node_id, NodeProgress(0.0, 1.0))
    return replace(run, state="running", node=node_id, nodes=nodes)


def _advance(run: Run, seen: Mapping[str, tuple[float, float, bool]]) -> Run:
    """Counters of nodes as (value, maximum, done)."""
    nodes = dict(run.nodes)
    for node_id, (value, maximum, done) in seen.items():
        before = nodes.get(node_id, NodeProgress(0.0, 1.0))
        rounds = before.rounds + (1 if value < before.value and not done else 0)
        nodes[node_id] = NodeProgress(float(value), float(maximum), done or before.done, rounds)
    return replace(run, state="running", nodes=nodes)


def _interrupted() -> TransientError:
    """Our own interrupts never get here: the caller who asked for one has stopped listening."""
    return TransientError("connection_lost", "somebody else interrupted the run on ComfyUI")
