"""Validation errors in words that say what to send instead. Pure."""

import difflib
from typing import Any

from pydantic import ValidationError

from shared.contracts.request import OUT_OF_SCOPE, GenerationRequest
from shared.contracts.vocabulary import Frozen

KNOWN_FIELDS = (*GenerationRequest.model_fields, "camera_lora")


class FieldProblem(Frozen):
    """One field that cannot be accepted. The value itself is never repeated: it may be a prompt or a secret."""

    field: str
    message: str
    legal: list[str] | None = None
    nearest: str | None = None


def _legal(context: dict[str, Any]) -> list[str] | None:
    expected = context.get("expected")
    if not isinstance(expected, str) or "'" not in expected:
        return None
    return [word for word in expected.split("'")[1::2] if word]


def _nearest(value: Any, legal: list[str] | None, context: dict[str, Any]) -> str | None:
    if "nearest" in context:
        return str(context["nearest"])
    if legal and isinstance(value, str):
        folded = value.lower().replace("-", "_").replace(" ", "_")
        close = difflib.get_close_matches(folded, legal, n=1, cutoff=0.5)
        return close[0] if close else None
    for bound in ("ge", "le"):
        if bound in context:
            return str(context[bound])
    return None


def _of(error: Any) -> FieldProblem:
    field = ".".join(str(part) for part in error["loc"]) or "body"
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        close = difflib.get_close_matches(name, KNOWN_FIELDS, n=1, cutoff=0.75)
        reason = OUT_OF_SCOPE.get(name, "unknown field")
        return FieldProblem(field=field, message=f"not accepted: {reason}", nearest=close[0] if close else None)
    legal = _legal(context)
    if error["type"] == "duration":
        legal = str(context["shown"]).split(", ")
    return FieldProblem(
        field=field,
        message=error["msg"],
        legal=legal,
        nearest=_nearest(error.get("input"), legal, context),
    )


def of(error: ValidationError) -> list[FieldProblem]:
    """Every field that is wrong, in the order of the model."""
    return [_of(item) for item in error.errors(include_url=False)]
