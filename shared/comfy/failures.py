"""What ComfyUI says when it refuses or fails, as one of our typed errors. Pure.

Nothing that a user wrote gets out of here: messages are cut where they would quote a text input, tracebacks and
input values of text fields are dropped (facts/comfyui.md section 5: both leak through ComfyUI's answers).
"""

import errno
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import CapacityError, FatalError, MivoError, TransientError

MAX_SAID = 240  # characters of a foreign message; `ErrorBody` caps the whole message at 600
MAX_PROBLEMS = 5  # a reply of a worker stays under 2 kB (design section 3)
MAX_LEGAL = 3  # first legal values shown for a wrong one
TEXT_INPUTS = frozenset({"text", "prompt", "value", "string"})  # where a graph holds what a user wrote

NO_SPACE = os.strerror(errno.ENOSPC)  # "No space left on device"

GraphJson = Mapping[str, Any]


def is_model_loader(class_type: str) -> bool:
    """Whether a class reads weights (CheckpointLoaderSimple, LoadDA3Model, ...), unlike LoadImage or LoadLatent."""
    return "Loader" in class_type or ("Load" in class_type and "Model" in class_type)


def values_of_combo(config: Sequence[Any]) -> list[str]:
    """The values of an input's config in both forms: [[values], options] and ["COMBO", {"options": values}]."""
    if config and isinstance(config[0], list):
        return [str(value) for value in config[0]]
    if len(config) > 1 and isinstance(config[1], Mapping):
        return [str(value) for value in config[1].get("options") or []]
    return []


def title_of(graph: GraphJson, node_id: str) -> str:
    """The title of a node, else its class, else its id: what a human looks for in the graph."""
    node = graph.get(node_id) or {}
    return str((node.get("_meta") or {}).get("title") or node.get("class_type") or node_id)


def clean(message: str, graph: GraphJson) -> str:
    """The first line of a foreign message without query strings, cut before it quotes a text of the graph."""
    line = re.sub(r"\?\S+", "?...", message.strip().splitlines()[0] if message.strip() else "")
    for text in _texts(graph):
        found = re.search(r"(?<!\w)" + re.escape(text[:20]), line)
        if found:
            line = line[: found.start()] + "[text]"
    return line if len(line) <= MAX_SAID else line[: MAX_SAID - 3] + "..."


def node_failure(data: Mapping[str, Any], graph: GraphJson) -> MivoError:
    """The error in an `execution_error` event (facts/comfyui.md sections 5 and 7).

    `out_of_memory` in its five forms (CUDA, accelerator, ComfyUI's own tip, MemoryError, torch's CPU allocator);
    `disk_full` in the words of the system, which Python, safetensors and ffmpeg all quote;
    `model_missing` when a loader finds no readable weights; `comfy_crashed` for other CUDA errors, because they
    poison the whole process and only a restart helps; anything else is `internal`: the graph was accepted, so it
    is ours to mend.
    """
    kind = str(data.get("exception_type") or "unknown")
    raw = str(data.get("exception_message") or "")
    node_id, class_type = str(data.get("node_id")), str(data.get("node_type") or "unknown")
    title, said = title_of(graph, node_id), clean(raw, graph)
    detail = {"node": title, "class_type": class_type, "exception": kind}
    where = f"'{title}' ({class_type})"
    short = kind.rsplit(".", 1)[-1]
    if _is_out_of_memory(short, raw):
        return CapacityError("out_of_memory", f"{where} ran out of memory: {said}", **detail)
    if NO_SPACE in raw:
        return CapacityError("disk_full", f"{where} found the disk full: {said}", **detail)
    if "CUDA error" in raw or short == "AcceleratorError":
        return TransientError("comfy_crashed", f"the GPU failed in {where}: {said}", **detail)
    if is_model_loader(class_type) and short in {"FileNotFoundError", "SafetensorError"}:
        return FatalError("model_missing", f"{where} found no readable weights: {said}", **detail)
    return FatalError("internal", f"{where} failed with {kind}: {said}", **detail)


def rejection(status: int, body: object, graph: GraphJson) -> MivoError:
    """The error in an answer of POST /prompt that is not a clean 200.

    `model_missing` when all that is wrong are weights which the server does not have; `comfy_unreachable` for a
    5xx (the server is in trouble, the graph is not judged); else `graph_rejected`. A 200 with `node_errors` is a
    rejection too: the rest of the graph runs, but an output is missing (facts/comfyui.md section 5).
    """
    if status >= 500:
        return TransientError("comfy_unreachable", f"ComfyUI answered {status} to a graph")
    answer = body if isinstance(body, Mapping) else {}
    node_errors = answer.get("node_errors") or {}
    problems: list[dict[str, str]] = []
    missing: list[bool] = []
    for node_id, entry in node_errors.items():
        class_type = str(entry.get("class_type"))
        for error in entry.get("errors") or []:
            missing.append(error.get("type") == "value_not_in_list" and is_model_loader(class_type))
            said = _problem(error, graph)
            problems.append({"node": title_of(graph, str(node_id)), "class_type": class_type, "problem": said})
    if not problems:
        error = answer.get("error")
        said = error.get("message", "") if isinstance(error, Mapping) else str(error or "")
        extra = (error.get("extra_info") or {}) if isinstance(error, Mapping) else {}
        name = str(extra.get("class_type") or "graph")
        said = clean(str(said), graph) or f"answer {status} without a reason"
        problems.append({"node": str(extra.get("node_title") or name), "class_type": name, "problem": said})
    listed = "; ".join(f"'{p['node']}' ({p['class_type']}): {p['problem']}" for p in problems[:MAX_PROBLEMS])
    if missing and all(missing):
        return FatalError("model_missing", f"ComfyUI lacks weights: {listed}", problems=problems[:MAX_PROBLEMS])
    return FatalError("graph_rejected", f"ComfyUI refused the graph: {listed}", problems=problems[:MAX_PROBLEMS])


def _is_out_of_memory(kind: str, message: str) -> bool:
    return (
        kind in {"OutOfMemoryError", "MemoryError"}
        or "out of memory" in message.lower()
        or "DefaultCPUAllocator: can't allocate memory" in message
    )


def _problem(error: Mapping[str, Any], graph: GraphJson) -> str:
    kind, info = str(error.get("type")), error.get("extra_info") or {}
    name = str(info.get("input_name") or "")
    if name in TEXT_INPUTS:
        return f"{kind} on {name}"
    if kind == "value_not_in_list":
        legal = values_of_combo(info.get("input_config") or [])
        if not legal:  # the server leaves lists of more than 20 values out: "x: 'y' not in (list of length 44)"
            return clean(str(error.get("details") or name), graph)
        shown = ", ".join(legal[:MAX_LEGAL])
        got = clean(repr(info.get("received_value")), graph)
        return f"{name} {got} is not available; first of {len(legal)} legal values: {shown}"
    said = clean(str(error.get("message") or kind), graph)
    about = clean(str(error.get("details") or name), graph)
    if kind == "exception_during_validation":  # a dangling link says KeyError, a wrong slot IndexError
        about = f"{info.get('exception_type')} {about}"
    return f"{said}: {about}" if about else said


def _texts(graph: GraphJson) -> list[str]:
    inputs = (item for node in graph.values() for item in (node.get("inputs") or {}).items())
    return [value.strip() for name, value in inputs if name in TEXT_INPUTS and isinstance(value, str) and value.strip()]
