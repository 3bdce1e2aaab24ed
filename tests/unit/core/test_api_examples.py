"""The examples of the OpenAPI document: legal, each of them, and together they leave no option out."""

from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.api.examples import EXAMPLES, STAGE_EXAMPLES, UPLOAD_EXAMPLES
from orchestrator.api.uploads import UploadRequest
from shared.contracts.request import Batch, Control, GenerationRequest
from shared.contracts.stage import BaseGenInput, FromUpstream
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution


def requests() -> list[dict[str, Any]]:
    bodies = [example["value"] for example in EXAMPLES.values()]
    return [request for body in bodies for request in body.get("tasks", [body])]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_legal(name: str) -> None:
    body = EXAMPLES[name]["value"]
    (Batch if "tasks" in body else GenerationRequest).model_validate(body)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        *((UploadRequest, each["value"]) for each in UPLOAD_EXAMPLES.values()),
        (BaseGenInput, STAGE_EXAMPLES["base_gen"]["value"]),
        (FromUpstream, STAGE_EXAMPLES["later"]["value"]),
    ],
)
def test_the_other_examples_are_legal(model: type[BaseModel], body: dict[str, Any]) -> None:
    model.model_validate(body)


def test_every_field_has_an_example() -> None:
    asked = {field for request in requests() for field in request}
    assert asked == {*GenerationRequest.model_fields, "camera_lora"}
    controls = {field for request in requests() for field in request.get("control", {})}
    assert controls == set(Control.model_fields)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("quality", Quality),
        ("resolution", set(Resolution) - {Resolution.DRAFT}),
        ("duration", {10, 15, 20}),
        ("precision", Precision),
        ("camera", Camera),
        ("spatial_upscale", {True, False}),
        ("temporal_upscale", {True, False}),
        ("detailer", {True, False}),
    ],
)
def test_every_value_has_an_example(field: str, values: set[object] | type[StrEnum]) -> None:
    parsed = {getattr(GenerationRequest.model_validate(request), field) for request in requests()}
    assert parsed == set(values)


def test_every_control_has_an_example() -> None:
    assert {request["control"]["type"] for request in requests() if "control" in request} == set(ControlType)
