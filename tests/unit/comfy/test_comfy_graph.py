import pytest

from shared.comfy.graph import Graph, Link, Lora
from shared.errors import FatalError

API = {
    "4": {"class_type": "UNETLoader", "inputs": {"unet_name": "a"}, "_meta": {"title": "Model"}},
    "7": {"class_type": "CFGGuider", "inputs": {"model": ["4", 0], "cfg": 1.0}, "_meta": {"title": "Guide"}},
    "9": {"class_type": "SaveLatent", "inputs": {"samples": ["7", 0]}, "_meta": {"title": "Save"}},
}
GRAPH = Graph.load(API)


def test_a_template_survives_the_way_in_and_out() -> None:
    assert GRAPH.api() == API
    assert GRAPH.node("Guide").inputs["model"] == Link("Model", 0)
    assert GRAPH.outputs() == ["Save"]
    assert GRAPH.check() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"1": {"class_type": "X", "inputs": {}}}, "no title"),
        ({"1": {"class_type": "X", "inputs": {}, "_meta": {"title": "Save"}}}, "stand twice: \\['Save'\\]"),
        ({"1": {"inputs": {}, "_meta": {"title": "T"}}}, "no class"),
        ({"1": {"class_type": "X", "inputs": {"a": [1, 2, 3]}, "_meta": {"title": "T"}}}, "no link"),
    ],
)
def test_a_broken_template_is_refused_at_load(change: dict[str, object], said: str) -> None:
    with pytest.raises(FatalError, match=said):
        Graph.load({**API, **change})


def test_titles_are_checked_at_import() -> None:
    assert GRAPH.require("Model", "Save") is GRAPH
    with pytest.raises(FatalError, match=r"lacks \['Nothing'\]"):
        GRAPH.require("Model", "Nothing")
    with pytest.raises(FatalError, match="Nothing"):
        GRAPH.link("Nothing")


def test_setting_changes_a_copy_and_refuses_misspelt_inputs() -> None:
    changed = GRAPH.set("Guide", cfg=4.0)
    assert changed.node("Guide").inputs["cfg"] == 4.0
    assert GRAPH.node("Guide").inputs["cfg"] == 1.0
    with pytest.raises(FatalError, match=r"no inputs \['cgf'\]"):
        GRAPH.set("Guide", cgf=4.0)
    assert GRAPH.attach("Guide", **{"output.mode": "x"}).node("Guide").inputs["output.mode"] == "x"


def test_added_nodes_get_the_same_ids_every_time() -> None:
    first = GRAPH.add("More", "SaveLatent", samples=GRAPH.link("Guide"))
    assert first.api()["10"]["inputs"] == {"samples": ["7", 0]}
    assert first.api() == GRAPH.add("More", "SaveLatent", samples=GRAPH.link("Guide")).api()
    with pytest.raises(FatalError, match="there already"):
        GRAPH.add("Save", "SaveLatent")


def test_a_lora_chain_keeps_its_order_and_feeds_all_consumers() -> None:
    loras = [Lora("Distilled", "d.safetensors", 0.6), Lora("Camera", "c.safetensors")]
    graph = GRAPH.add("Second", "BasicGuider", model=Link("Model")).lora_chain(Link("Model"), loras)
    assert graph.node("Distilled").inputs == {
        "model": Link("Model"),
        "lora_name": "d.safetensors",
        "strength_model": 0.6,
    }
    assert graph.node("Camera").inputs["model"] == Link("Distilled")
    assert graph.consumers(Link("Camera")) == [("Guide", "model"), ("Second", "model")]
    assert GRAPH.lora_chain(Link("Model"), []) is GRAPH


def test_rewiring_moves_every_consumer_of_one_slot_only() -> None:
    graph = GRAPH.add("Other", "PreviewAny", source=Link("Guide", 1)).add("New", "X")
    moved = graph.rewire(Link("Guide"), Link("New"))
    assert moved.node("Save").inputs["samples"] == Link("New")
    assert moved.node("Other").inputs["source"] == Link("Guide", 1)
    with pytest.raises(FatalError, match="nothing reads output 5"):
        graph.rewire(Link("Guide", 5), Link("New"))


def test_check_finds_what_is_loose() -> None:
    assert GRAPH.remove("Model").check() == ["'Guide'.model reads 'Model', which is not there"]
    assert GRAPH.add("Idle", "VAELoader").check() == ["'Idle' leads to no output"]
    assert GRAPH.set("Save", samples=Link("Guide", -1)).check() == ["'Save'.samples reads slot -1"]
    assert GRAPH.set("Guide", model=Link("Guide")).check() == [
        "'Model' leads to no output",
        "'Guide' depends on itself",
    ]
    assert GRAPH.remove("Save").check()[0] == "the graph has no output node"
    dangling = {**API, "9": {**API["9"], "inputs": {"samples": ["99", 0]}}}
    assert "'Save'.samples reads 'id 99', which is not there" in Graph.load(dangling).check()
