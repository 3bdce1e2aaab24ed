"""The early look of any legal request is a graph that ComfyUI accepts, makes the half size, and samples nothing."""

from typing import Any

from hypothesis import given, settings

from shared import geometry
from shared.comfy import sections
from shared.comfy.catalog import validate
from shared.comfy.failures import is_model_loader
from shared.comfy.graph import Graph
from shared.contracts import keys
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import TextEncoder
from shared.stage import Names
from tests.contract.graphs.legal import STAGES, chain, encoders, requests


def needed(graph: Graph) -> set[str]:
    """Titles that ComfyUI executes."""
    found, todo = set[str](), graph.outputs()
    while todo:
        title = todo.pop()
        if title not in found:
            found.add(title)
            todo += graph.sources(title)
    return found


@settings(max_examples=500, deadline=None, database=None)
@given(request=requests(), encoder=encoders)
def test_every_legal_request_has_a_good_early_look(
    catalogue: dict[str, Any], request: GenerationRequest, encoder: TextEncoder
) -> None:
    base, *others = chain(request, seed=1, text_encoder=encoder)
    assert isinstance(base.work, BaseGenInput)
    assert base.work.early_look is bool(others), "only where a stage follows"
    if not others:
        assert len(list(STAGES[base.stage].graphs(base.work, base.names))) == 1
        return
    names = Names(base.work.attempt_id)
    _, graph = STAGES[base.stage].graphs(base.work, names)
    assert validate(graph, catalogue, idle=True) == []
    assert graph.outputs() == [sections.SAVE_VIDEO]
    used = needed(graph)
    classes = {graph.node(title).class_type for title in used}
    assert classes == {
        *("CheckpointLoaderSimple", "LTXVAudioVAELoader", "LoadLatent", "LTXVAudioVAEDecode", "MivoDecodeToVideo")
    }
    half, made = geometry.tier(request.resolution, half=True).deliver, graph.node(sections.SAVE_VIDEO).inputs
    assert (made["width"] // made["shrink"], made["height"] // made["shrink"]) == (half.width, half.height)
    loaders = {title for title, node in base.graph.nodes.items() if is_model_loader(node.class_type)}
    assert {title: graph.node(title) for title in loaders} == {title: base.graph.node(title) for title in loaders}
    assert set(graph.nodes) == used | loaders, "idle nodes are weights, and nothing that reads a file of the job"
    assert keys.stage_key(base.work) == keys.stage_key(base.work.model_copy(update={"early_look": False}))
