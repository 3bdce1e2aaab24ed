"""The shapes of ComfyUI's validation errors, as recorded (facts/comfyui.md section 5)."""

import traceback
from typing import Any

Problem = dict[str, Any]


def problem(kind: str, message: str, details: str, **extra: Any) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def missing(name: str) -> Problem:
    return problem("required_input_missing", "Required input is missing", name, input_name=name)


def bad_link(name: str, config: list[Any], value: Any) -> Problem:
    message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    return problem("bad_linked_input", message, name, input_name=name, input_config=config, received_value=value)


def type_mismatch(name: str, config: list[Any], wanted: str, got: str, value: Any) -> Problem:
    return problem(
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{name}, received_type({got}) mismatch input_type({wanted})",
        input_name=name,
        input_config=config,
        received_type=got,
        linked_node=value,
    )


def unconvertible(name: str, kind: str, config: list[Any], value: Any, error: Exception) -> Problem:
    return problem(
        "invalid_input_type",
        f"Failed to convert an input value to a {kind} value",
        f"{name}, {value}, {error}",
        input_name=name,
        input_config=config,
        received_value=value,
        exception_message=str(error),
    )


def out_of_bounds(name: str, config: list[Any], value: Any, bound: float, *, low: bool) -> Problem:
    kind, words = (
        ("value_smaller_than_min", "smaller than min") if low else ("value_bigger_than_max", "bigger than max")
    )
    message = f"Value {value} {words} of {bound}"
    return problem(kind, message, name, input_name=name, input_config=config, received_value=value)


_LONG_LIST = 20  # longer lists are not repeated in the answer


def not_in_list(name: str, config: list[Any], value: Any, options: list[Any]) -> Problem:
    long = len(options) > _LONG_LIST
    listed = f"(list of length {len(options)})" if long else str(options)
    return problem(
        "value_not_in_list",
        "Value not in list",
        f"{name}: {value!r} not in {listed}",
        input_name=name,
        input_config=None if long else config,
        received_value=value,
    )


def judged(name: str, why: str) -> Problem:
    return problem("custom_validation_failed", "Custom validation failed for node", f"{name} - {why}", input_name=name)


def _exception(error: Exception) -> dict[str, Any]:
    return {
        "exception_type": type(error).__name__,
        "traceback": traceback.format_tb(error.__traceback__),
    }


def exception(error: Exception) -> Problem:
    """A dangling link (KeyError) or a slot that is not there (IndexError), at an output node."""
    return problem("exception_during_validation", "Exception when validating node", str(error), **_exception(error))


def inner_exception(name: str, config: list[Any], value: Any, error: Exception) -> Problem:
    """The same, in a node that feeds another one."""
    return problem(
        "exception_during_inner_validation",
        "Exception when validating inner node",
        str(error),
        input_name=name,
        input_config=config,
        exception_message=str(error),
        linked_node=value,
        **_exception(error),
    )


def cycle(node_id: str, members: list[str], words: str) -> Problem:
    return problem("dependency_cycle", "Dependency cycle detected", words, node_id=node_id, cycle_nodes=members)


def unknown_node(node_id: str, node: dict[str, Any]) -> Problem:
    kind = node.get("class_type")
    title = (node.get("_meta") or {}).get("title") or kind or node_id
    why = (
        f"Node '{title}' has no class_type. The workflow may be corrupted or a custom node is missing."
        if kind is None
        else f"Node '{title}' not found. The custom node may not be installed."
    )
    return problem(
        "missing_node_type", why, f"Node ID '#{node_id}'", node_id=node_id, class_type=kind, node_title=title
    )


NO_OUTPUTS = problem("prompt_no_outputs", "Prompt has no outputs", "")
NO_PROMPT = problem("no_prompt", "No prompt provided", "No prompt provided")


def invalid_prompt_id(value: Any) -> Problem:
    return problem("invalid_prompt_id", "prompt_id must be a canonical lowercase UUID", f"prompt_id: {value!r}")
