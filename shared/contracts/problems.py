"""Validation errors in words that say what to send instead. Pure."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from shared.contracts.request import MAX_METADATA, MAX_TASKS, OUT_OF_SCOPE, GenerationRequest
from shared.contracts.stage import MAX_PROMPT, MAX_SEED
from shared.contracts.vocabulary import Frozen
from shared.recipes import MAX_STEPS, MIN_STEPS

KNOWN_FIELDS = (*GenerationRequest.model_fields, "camera_lora")
MAX_PROBLEMS = 50  # an answer must not grow with the nonsense that was sent
MAX_FIELD = 100  # characters of a field's name: an unknown one is the sender's text
MAX_WORD = 64  # characters that are compared with legal words; comparing is quadratic

TASK = re.compile(r"^tasks\.\d+\.")
"""In front of the fields of each of several."""

IN_WORDS = {
    "tasks": f"a list of 1 to {MAX_TASKS} requests",
    "prompt": f"text of 1 to {MAX_PROMPT} characters",
    "image_urls": "a list of at most one URL",
    "upload_id": "the id that POST /api/uploads gave",
    "steps": f"{MIN_STEPS} to {MAX_STEPS}, with quality 'pro' only",
    "seed": f"0 to {MAX_SEED}",
    "webhook_url": "an https URL",
    "metadata": f"an object of texts, at most {MAX_METADATA} bytes of JSON",
    "control": "an object with `type` and one of `video_url`, `upload_id` and `source`",
    "control.video_url": "an https URL",
    "control.strength": "0.0 to 1.0",
}
"""What is legal where the values cannot be listed."""


class FieldProblem(Frozen):
    """One field that cannot be accepted. The value itself is never repeated: it may be a prompt or a secret."""

    field: str
    message: str
    legal: list[str] | None = None
    nearest: str | None = None


def _listed(error: Any, context: dict[str, Any]) -> list[str]:
    """The legal values, where they can be listed."""
    if error["type"] == "bool_type":
        return ["true", "false"]
    expected = context.get("expected")
    return expected.split("'")[1::2] if isinstance(expected, str) else []


def _close(word: str, legal: Iterable[str], cutoff: float) -> str | None:
    found = difflib.get_close_matches(word[:MAX_WORD], legal, n=1, cutoff=cutoff)
    return found[0] if found else None


def _nearest(value: Any, listed: list[str], context: dict[str, Any]) -> str | None:
    if "nearest" in context:
        return str(context["nearest"])
    if listed and isinstance(value, str):
        return _close(value[:MAX_WORD].lower().replace("-", "_").replace(" ", "_"), listed, cutoff=0.5)
    for bound in ("ge", "le"):
        if bound in context:
            return str(context[bound])
    return None


def _of(error: Any) -> FieldProblem:
    context: dict[str, Any] = error.get("ctx", {})
    path = ".".join(str(part) for part in error["loc"]) or str(context.get("field", "body"))
    field = path[:MAX_FIELD].encode("utf-8", "replace").decode()
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        if name in OUT_OF_SCOPE:
            return FieldProblem(field=field, message=f"not accepted: {OUT_OF_SCOPE[name]}")
        return FieldProblem(
            field=field, message="not accepted: unknown field", nearest=_close(name, KNOWN_FIELDS, cutoff=0.75)
        )
    listed = _listed(error, context)
    name = TASK.sub("", field)
    in_words = IN_WORDS.get(name) or IN_WORDS.get(name.split(".")[0])
    return FieldProblem(
        field=field,
        message=error["msg"],
        legal=listed or ([in_words] if in_words else None),
        nearest=_nearest(error.get("input"), listed, context),
    )


def of(error: ValidationError) -> list[FieldProblem]:
    """The fields that are wrong, in the order of the model; no more than `MAX_PROBLEMS` of them."""
    return [_of(item) for item in error.errors(include_url=False)[:MAX_PROBLEMS]]
