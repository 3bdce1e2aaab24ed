"""What a worker asks of ComfyUI before its first job is what its graphs need: no less for any legal request."""

from typing import Any

import pytest
from hypothesis import given, settings

from shared import models
from shared.contracts import keys
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Precision, Stage, TextEncoder
from shared.worker.fitness import Needs, missing_classes, missing_files, needs, remedy
from shared.worker.settings import WorkerSettings
from tests.contract.graphs.legal import STAGES, chain, encoders, requests

NAMES = {file.name for file in models.all_files().values()}
NEEDED = {
    (stage, encoder): needs(definition, WorkerSettings(precisions=tuple(Precision), text_encoder=encoder))
    for stage, definition in STAGES.items()
    for encoder in TextEncoder
}


@settings(max_examples=500, deadline=None, database=None)
@given(request=requests(), encoder=encoders)
def test_no_legal_request_needs_more(request: GenerationRequest, encoder: TextEncoder) -> None:
    for step in chain(request, seed=1, text_encoder=encoder):
        needed = NEEDED[step.stage, encoder]
        nodes = step.graph.nodes.values()
        assert {node.class_type for node in nodes} <= needed.classes
        assert {
            (node.class_type, name, value)
            for node in nodes
            for name, value in node.inputs.items()
            if isinstance(value, str) and value in NAMES
        } <= needed.files
        assert keys.models_of(step.work).keys() <= {name for _, _, name in needed.files} | needed.unnamed


def everything(needed: Needs) -> dict[str, Any]:
    """GET /object_info of a server that has it all; half of its combos in the older form."""
    found: dict[str, Any] = {name: {"input": {"required": {}}} for name in needed.classes}
    for class_type, name, file in sorted(needed.files):
        inputs = found[class_type]["input"]["required"]
        old = len(class_type) % 2
        config = inputs.setdefault(name, [[], {}] if old else ["COMBO", {"options": []}])
        (config[0] if old else config[1]["options"]).extend([file, *needed.unnamed])
    return found


@pytest.mark.parametrize("encoder", TextEncoder)
@pytest.mark.parametrize("stage", Stage)
def test_every_single_thing_that_is_missing_is_named(stage: Stage, encoder: TextEncoder) -> None:
    needed = NEEDED[stage, encoder]
    assert (missing_classes(needed, everything(needed)), missing_files(needed, everything(needed))) == ([], [])
    for name in needed.classes:
        catalogue = everything(needed)
        del catalogue[name]
        assert missing_classes(needed, catalogue) == [name]
    for file in {name for _, _, name in needed.files} | needed.unnamed:
        catalogue = everything(needed)
        for entry in catalogue.values():
            for config in entry["input"]["required"].values():
                values = config[0] if isinstance(config[0], list) else config[1]["options"]
                values[:] = [value for value in values if value != file]
        assert missing_files(needed, catalogue) == [file]


def test_only_the_weights_of_what_is_configured_are_needed() -> None:
    fp8 = needs(STAGES[Stage.BASE_GEN], WorkerSettings())
    assert not [name for _, _, name in fp8.files if name in {"ltx-2-19b-dev.safetensors", "gemma_3_12B_it.safetensors"}]
    folder = NEEDED[Stage.BASE_GEN, TextEncoder.FOLDER]
    assert len(folder.unnamed) >= 4, "the loader is given the first shard and reads them all"


@pytest.mark.parametrize(("said", "meant"), [("fp8,full", tuple(Precision)), (" full ", (Precision.FULL,))])
def test_precisions_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, said: str, meant: tuple[Precision, ...]
) -> None:
    monkeypatch.setenv("WORKER_PRECISIONS", said)
    assert WorkerSettings().precisions == meant


def test_a_worker_for_no_precision_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_PRECISIONS", ",")
    with pytest.raises(ValueError, match="precisions"):
        WorkerSettings()


def test_a_lack_of_our_own_node_says_where_it_comes_from() -> None:
    assert "IMPORT FAILED" in remedy({"LTXVSaveConditioning"})
    assert "custom_nodes/mivo" not in remedy({"LTXVSaveConditioning"})
    assert "link workers/comfy_nodes/mivo as custom_nodes/mivo" in remedy({"MivoDecodeToVideo", "X"})
