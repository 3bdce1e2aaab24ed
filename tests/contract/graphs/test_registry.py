"""Whoever adds a control, a stage or a model finds here what is still missing."""

import json
from typing import Any, get_args

import pytest

from orchestrator.plan import StagePlan, make_plan
from shared import durations, geometry, models
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import INPUT_OF, BaseGenInput
from shared.contracts.vocabulary import ControlType, Precision, Quality, Resolution, Stage, TextEncoder
from shared.controls import CONTROLS
from shared.stage import Names
from tests.contract.graphs.catalogue import WORKERS
from tests.contract.graphs.legal import STAGES, UPLOAD, artifact

ROOT = WORKERS.parent


def control_graph(kind: ControlType, *, preprocessed: bool = False) -> set[str]:
    work = BaseGenInput.model_validate(
        {"prompt": "x", "control": {"type": kind, "preprocessed": preprocessed}, "control_source": artifact()}
    )
    nodes = STAGES[Stage.BASE_GEN].graph(work, Names("a" * 32)).nodes.values()
    return {node.class_type for node in nodes}


@pytest.mark.parametrize("kind", ControlType)
def test_a_control_stands_everywhere(kind: ControlType) -> None:
    row = CONTROLS[kind]
    assert models.file(row.lora).folder == "loras"
    assert row.map_model is None or models.file(row.map_model)
    body = {"prompt": "x", "control": {"type": kind, "upload_id": UPLOAD}}
    plan = make_plan(GenerationRequest.model_validate(body), seed=1)
    assert plan.estimated_seconds > 0
    assert control_graph(kind) - control_graph(kind, preprocessed=True), "nothing makes its map"
    assert kind in gallery_text(), "workers/base_gen/__main__.py has no example of it"


def test_no_two_controls_make_their_maps_alike() -> None:
    makers = [frozenset(control_graph(kind) - control_graph(kind, preprocessed=True)) for kind in ControlType]
    assert len(set(makers)) == len(makers)
    assert set(CONTROLS) == set(ControlType)


def gallery_text() -> str:
    examples = WORKERS / "base_gen" / "workflows" / "examples"
    return "".join(path.read_text() for path in examples.iterdir())


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_stands_everywhere(stage: Stage) -> None:
    folder = WORKERS / stage
    for name in ("handler.py", "stage.py", "__main__.py", f"workflows/{stage}.json"):
        assert (folder / name).is_file(), f"workers/{stage}/{name} is missing"
    assert list((folder / "workflows" / "examples").glob("*.json"))
    assert STAGES[stage].stage is stage
    assert stage in INPUT_OF
    planned = [kind.model_fields["stage"].default for kind in get_args(get_args(StagePlan)[0])]
    assert planned == list(Stage), "orchestrator/plan.py has no plan of it"


def test_every_template_of_a_stage_is_api_format_with_titles() -> None:
    for path in WORKERS.glob("*/workflows/*.json"):
        graph: dict[str, Any] = json.loads(path.read_text())
        assert all(set(node) == {"class_type", "inputs", "_meta"} for node in graph.values()), path


@pytest.mark.parametrize("precision", Precision)
def test_a_model_generation_stands_everywhere(precision: Precision) -> None:
    for quality in Quality:
        assert models.checkpoint(quality, precision).folder == "checkpoints"
    for form in TextEncoder:
        assert models.text_encoder(form, precision)[0].name.endswith(".safetensors")


@pytest.mark.parametrize("resolution", [Resolution.HD, Resolution.FULL_HD])
@pytest.mark.parametrize("duration", geometry.PAID_DURATIONS)
def test_every_stage_has_an_estimate_for_all_that_is_sold(resolution: Resolution, duration: int) -> None:
    request = GenerationRequest(
        prompt="x", resolution=resolution, duration=duration, temporal_upscale=True, detailer=True
    )
    plan = make_plan(request, seed=1)
    assert plan.order == tuple(Stage)
    for step in plan.stages:
        assert durations.of(step.params).total == step.estimated_seconds > 0
