import json
from pathlib import Path
from typing import Any

import pytest

from shared.comfy.catalog import validate
from shared.comfy.graph import Graph, Link
from shared.errors import FatalError

RECORDED = Path(__file__).parents[4] / "shared" / "comfyui"
SMALL: dict[str, Any] = {
    "Make": {
        "inputs": {
            "required": {
                "size": {"type": "INT", "min": 8, "max": 64},
                "kind": {"type": "COMBO", "enum_kind": "fixed", "options": ["a", "b"]},
                "name": {"type": "COMBO", "enum_kind": "files_on_server"},
            },
            "optional": {"on": {"type": "BOOLEAN"}, "rate": {"type": "FLOAT"}, "text": {"type": "STRING"}},
        },
        "outputs": [{"slot": 0, "type": "IMAGE"}, {"slot": 1, "type": "FLOAT"}],
    },
    "Draw": {
        "inputs": {
            "required": {
                "image": {"type": "IMAGE,MASK"},
                "mode": {
                    "type": "COMFY_DYNAMICCOMBO_V3",
                    "dynamic_keys": [{"plain": {}}, {"deep": {"required": {"level": {"type": "INT"}}}}],
                },
            }
        },
        "outputs": [{"slot": 0, "type": "LATENT"}],
    },
    "SaveLatent": {"inputs": {"required": {"samples": {"type": "LATENT"}}}, "outputs": []},
}
GOOD = (
    Graph()
    .add("Make", "Make", size=8, kind="a", name="anything.safetensors", rate=1)
    .add("Draw", "Draw", image=Link("Make"), mode="deep", **{"mode.level": 2})
    .add("Save", "SaveLatent", samples=Link("Draw"))
)


def kinds(graph: Graph) -> list[tuple[str, str]]:
    return [(problem.kind, problem.input) for problem in validate(graph, SMALL)]


def test_a_good_graph_has_no_problems() -> None:
    assert kinds(GOOD) == []


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (GOOD.set("Make", size=65), ("out_of_range", "size")),
        (GOOD.set("Make", size=8.0), ("value_type", "size")),
        (GOOD.set("Make", size=True), ("value_type", "size")),
        (GOOD.set("Make", rate=float("nan")), ("out_of_range", "rate")),
        (GOOD.set("Make", kind="c"), ("value_not_in_list", "kind")),
        (GOOD.attach("Make", on=1), ("value_type", "on")),
        (GOOD.attach("Make", text=1), ("value_type", "text")),
        (GOOD.attach("Make", control_after_generate="fixed"), ("unknown_input", "control_after_generate")),
        (GOOD.set("Draw", image=Link("Make", 1)), ("link_type", "image")),
        (GOOD.set("Draw", image=Link("Make", 2)), ("bad_link", "image")),
        (GOOD.set("Draw", image="file.png"), ("not_a_link", "image")),
        (GOOD.set("Draw", mode="plain"), ("unknown_input", "mode.level")),
        (GOOD.set("Draw", mode="odd"), ("value_not_in_list", "mode")),
        (GOOD.remove("Make"), ("graph", "")),
        (GOOD.add("Note", "MarkdownNote"), ("unknown_class", "")),
        (Graph(GOOD.remove("Save").nodes).add("Save", "SaveLatent"), ("missing_input", "samples")),
    ],
)
def test_what_the_server_would_refuse_is_found(graph: Graph, expected: tuple[str, str]) -> None:
    assert expected in kinds(graph)


def recorded(name: str) -> Any:
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"../shared/comfyui/{name} is not here")
    return json.loads(path.read_text())


def test_graphs_that_a_real_comfyui_executed_are_fine() -> None:
    catalogue, count = recorded("node_catalog.json"), 0
    for path in sorted((RECORDED / "graphs").glob("*.json")):
        if path.name.startswith("x_full"):
            with pytest.raises(FatalError, match="stand twice"):
                Graph.load(json.loads(path.read_text()))
            continue
        problems = validate(Graph.load(json.loads(path.read_text())), catalogue)
        # some recordings carry a loader that nothing reads, one ends in SaveAudio: legal for the server, no use to us
        unused = ("leads to no output", "has no output node")
        assert [p for p in problems if not any(said in p.message for said in unused)] == [], path.name
        count += 1
    assert count > 40


@pytest.mark.parametrize(
    "name",
    [
        "bad_output_slot",
        "bad_sampler_res_2s",
        "bad_type_int",
        "dangling_link",
        "link_type_mismatch",
        "missing_input",
        "no_output_node",
        "one_bad_output_of_two",
        "unknown_node_type",
        "value_bigger_than_max",
    ],
)
def test_graphs_that_a_real_comfyui_refused_are_refused(name: str) -> None:
    catalogue = recorded("node_catalog.json")
    request = recorded(f"captures/post_{name}.json")["request"]["prompt"]
    for node_id, node in request.items():
        node.setdefault("_meta", {"title": f"Node {node_id}"})
    assert validate(Graph.load(request), catalogue)
