"""Runs one validated graph node by node and tells the story in ComfyUI's events (facts/comfyui.md section 5)."""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from local.comfyui_preview.engine.cache import OutputCache, order_of, signatures
from local.comfyui_preview.engine.node import Graph, InterruptedPromptError, Job, Node, Result
from local.comfyui_preview.engine.pace import Pace
from local.comfyui_preview.engine.validation import NodeClasses, is_link
from local.comfyui_preview.folders import Folders
from local.comfyui_preview.service.served import Services
from local.comfyui_preview.settings import Settings

log = structlog.get_logger("comfyui_preview")

Send = Callable[[str, dict[str, Any], str | None], None]  # (event, data, client id or None for everybody)

_OOM_TIPS = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have "
    "accidentally set the batch_size to a large number."
)
_SHORT = 1000  # characters of an input in an execution_error


@dataclass(frozen=True)
class Prompt:
    """One entry of the queue."""

    number: float
    prompt_id: str
    graph: Graph
    extra: dict[str, Any]
    outputs: list[str]

    @property
    def client_id(self) -> str | None:
        return self.extra.get("client_id")

    def wire(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra, self.outputs]


@dataclass
class Outcome:
    """What the history keeps of one prompt."""

    completed: bool = False
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def wire(self, prompt: Prompt) -> dict[str, Any]:
        status = {"status_str": "success" if self.completed else "error", "completed": self.completed}
        meta = {n: {"node_id": n, "display_node": n, "parent_node": None, "real_node_id": n} for n in self.outputs}
        told = {**status, "messages": [list(message) for message in self.messages]}
        return {"prompt": prompt.wire(), "outputs": self.outputs, "status": told, "meta": meta}


@dataclass(frozen=True)
class Workplace:
    """What all prompts of one server share. `stop` asks the running prompt to end at its next report or node."""

    classes: NodeClasses
    settings: Settings
    folders: Folders
    send: Send
    cache: OutputCache = field(default_factory=OutputCache)
    stop: threading.Event = field(default_factory=threading.Event)
    services: Services | None = None  # None: nodes render


class Execution:
    """The run of one prompt."""

    def __init__(self, prompt: Prompt, place: Workplace) -> None:
        self._prompt, self._place = prompt, place
        self.outcome = Outcome()
        self.current: str | None = None  # the node that runs: told to a client that reconnects
        self.slept = 0.0  # seconds in which a GPU would have worked
        self._progress: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._results: dict[str, Result] = {}
        self._service = place.services.draw() if place.services else None

    def run(self) -> Outcome:
        """Runs all nodes; every way to end is in the outcome and in the events, none is raised."""
        graph = self._prompt.graph
        self._message("execution_start")
        order = order_of(graph, self._prompt.outputs)
        keys = signatures(graph, self._place.classes, self._place.folders, order)
        self._place.cache.keep_only(set(keys.values()))
        cached = [node_id for node_id in graph if node_id in keys and self._place.cache.get(keys[node_id])]
        self._message("execution_cached", nodes=cached)
        for node_id in order:
            held = self._place.cache.get(keys[node_id])
            if held is not None:
                self._results[node_id] = held
                self._show_cached(node_id, held)
            elif not self._run_node(node_id, keys[node_id]):
                return self.outcome
        self.current = None
        self._message("execution_success")
        self.outcome.completed = True
        return self.outcome

    def _run_node(self, node_id: str, key: str) -> bool:
        self.current = node_id
        self._tell_progress(node_id, 0.0, 1.0, "running")
        if self._prompt.client_id is not None:
            self._event("executing", node=node_id, display_node=node_id)
        node_class = self._place.classes[self._prompt.graph[node_id]["class_type"]]
        inputs: dict[str, Any] = {}
        try:
            self._check_stop()
            inputs = self._inputs(node_id, node_class)
            result = node_class(self._job(node_id)).run(**inputs)
        except InterruptedPromptError:
            about = {"node_id": node_id, "node_type": node_class.__name__, "executed": list(self._executed)}
            self._message("execution_interrupted", broadcast=True, **about)
            return False
        except Exception as error:  # noqa: BLE001  whatever a node raises is reported, as in ComfyUI
            log.warning("a node failed", node=node_class.__name__, error=type(error).__name__)
            self._message("execution_error", **self._failure(node_id, node_class, inputs, error))
            return False
        self._place.cache.put(key, result)
        self._results[node_id] = result
        self._executed.append(node_id)
        self._show(node_id, result)
        value, most = (self._progress[node_id][name] for name in ("value", "max"))
        self._tell_progress(node_id, most if value else 1.0, most, "finished")
        return True

    def _inputs(self, node_id: str, node_class: type[Node]) -> dict[str, Any]:
        inputs: dict[str, Any] = {}
        given = self._prompt.graph[node_id].get("inputs", {})
        declared = node_class.declared(given)
        for name, value in given.items():
            if is_link(value):
                inputs[name] = self._results[value[0]].outputs[value[1]]
                if name not in declared:
                    raise TypeError(f"{node_class.__name__}.run() got an unexpected keyword argument '{name}'")
            elif name in declared:
                inputs[name] = value
        return inputs

    def _job(self, node_id: str) -> Job:
        pace = Pace()

        def report(value: float, most: float) -> None:
            self._check_stop()
            if not pace.due(value, most, time.monotonic()):
                return
            self._tell_progress(node_id, value, most, "running")
            self._event("progress", value=value, max=most, node=node_id)

        place = self._place
        return Job(place.settings, place.folders, self._prompt.graph, report, place.stop, self._service, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def _check_stop(self) -> None:
        if self._place.stop.is_set():
            self._place.stop.clear()
            raise InterruptedPromptError

    def _failure(
        self, node_id: str, node_class: type[Node], inputs: dict[str, Any], error: Exception
    ) -> dict[str, Any]:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        tips = _OOM_TIPS if name in {"torch.OutOfMemoryError", "torch.AcceleratorError"} else ""
        return {
            "node_id": node_id,
            "node_type": node_class.__name__,
            "executed": list(self._executed),
            "exception_message": f"{error}\n{tips}",
            "exception_type": name,
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {key: [_readable(value)] for key, value in inputs.items()},
            "current_outputs": list(self._prompt.graph),
        }

    def _show(self, node_id: str, result: Result) -> None:
        if result.shown is not None:
            self.outcome.outputs[node_id] = result.shown
            if self._prompt.client_id is not None:
                self._event("executed", node=node_id, display_node=node_id, output=result.shown)

    def _show_cached(self, node_id: str, result: Result) -> None:
        if result.shown is not None:
            self._show(node_id, result)
            self._tell_progress(node_id, 1, 1, "finished")

    def _tell_progress(self, node_id: str, value: float, most: float, state: str) -> None:
        ids = dict.fromkeys(("node_id", "display_node_id", "real_node_id"), node_id)
        about = {"value": value, "max": most, "state": state, "prompt_id": self._prompt.prompt_id}
        self._progress[node_id] = {**about, **ids, "parent_node_id": None}
        self._event("progress_state", nodes={key: dict(entry) for key, entry in self._progress.items()})

    def _event(self, event: str, **data: Any) -> None:
        self._place.send(event, {**data, "prompt_id": self._prompt.prompt_id}, self._prompt.client_id)

    def _message(self, event: str, *, broadcast: bool = False, **data: Any) -> None:
        """An event that the history keeps too. Without a client id only a broadcast is sent at all."""
        told = {**data, "prompt_id": self._prompt.prompt_id, "timestamp": int(time.time() * 1000)}
        self.outcome.messages.append((event, told))
        if self._prompt.client_id is not None or broadcast:
            self._place.send(event, told, self._prompt.client_id)


def _readable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else str(value)[:_SHORT]
