"""Every recorded answer of a real ComfyUI to POST /prompt, asked again of the preview engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.preview.preview_client import Engine
from tests.contract.preview.preview_graphs import cheap, node

_RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))["posts"]


def shape(value: Any, name: str = "") -> Any:
    """Keys and types; what depends on the node's wording or on the machine is left out."""
    if name in {"input_config", "traceback"}:
        return None
    if isinstance(value, dict):
        return {key: shape(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def words(body: dict[str, Any]) -> list[tuple[str, str]]:
    """(type, message) of every error, in order; they are equal to the letter."""
    problems = [body["error"]] if "error" in body else []
    for entry in body["node_errors"].values():
        problems += entry["errors"]
    return [(p["type"], p["message"]) for p in problems]


@pytest.mark.parametrize("name", sorted(_RECORDED))
def test_answers_as_recorded(engine: Engine, name: str) -> None:
    exchange = _RECORDED[name]
    answer = engine.http.post("/prompt", json=exchange["request"])
    assert answer.status_code == exchange["status"]
    body, wanted = answer.json(), exchange["body"]
    assert shape(body) == shape(wanted)
    assert words(body) == words(wanted)
    for node_id, entry in wanted["node_errors"].items():
        assert body["node_errors"][node_id]["dependent_outputs"] == entry["dependent_outputs"]


@pytest.mark.parametrize("name", ["dangling_link", "bad_output_slot", "link_type_mismatch", "missing_input", "cycle"])
def test_details_are_equal_to_the_letter(engine: Engine, name: str) -> None:
    body = engine.http.post("/prompt", json=_RECORDED[name]["request"]).json()
    assert body["error"]["details"] == _RECORDED[name]["body"]["error"]["details"]
    for node_id, entry in _RECORDED[name]["body"]["node_errors"].items():
        mine = body["node_errors"][node_id]["errors"]
        assert [e["details"] for e in mine] == [e["details"] for e in entry["errors"]]


def test_no_prompt_and_broken_json(engine: Engine) -> None:
    answer = engine.http.post("/prompt", json={"client_id": "x"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "no_prompt")
    assert engine.http.post("/prompt", content=b"{").status_code == 500


@pytest.mark.parametrize(
    "prompt_id", ["abc", "11111111-2222-3333-4444-55555555555Z", "A1111111-2222-3333-4444-555555555555", 7]
)
def test_only_canonical_uuids_are_prompt_ids(engine: Engine, prompt_id: Any) -> None:
    answer = engine.post(cheap(1), prompt_id=prompt_id)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_prompt_id")


def test_value_smaller_than_min(engine: Engine) -> None:
    graph = cheap(1)
    graph["1"]["inputs"]["width"] = 0
    body = engine.post(graph).json()
    assert words(body)[1] == ("value_smaller_than_min", "Value 0 smaller than min of 1")


def test_a_dangling_link_deep_inside_names_the_node_that_holds_it(engine: Engine) -> None:
    graph = {
        "1": node("ImageInvert", image=["99", 0]),
        "2": node("PreviewImage", images=["1", 0]),
    }
    answer = engine.post(graph)
    assert answer.status_code == 400
    assert [e["type"] for e in answer.json()["node_errors"]["1"]["errors"]] == ["exception_during_inner_validation"]
    assert answer.json()["node_errors"]["1"]["dependent_outputs"] == ["2"]


def test_a_number_for_an_integer_is_cut_but_a_link_is_refused(engine: Engine) -> None:
    loader = node("LTXVAudioVAELoader", ckpt_name="ltx-2-19b-distilled.safetensors")
    audio = node("LTXVEmptyLatentAudio", frames_number=17, frame_rate=23.976, batch_size=1, audio_vae=["1", 0])
    graph = {"1": loader, "2": audio, "3": node("SaveLatent", samples=["2", 0], filename_prefix="cut")}
    entry = engine.run(graph)
    assert entry["status"]["completed"]
    assert entry["prompt"][2]["2"]["inputs"]["frame_rate"] == 23


def test_test_nodes_are_hidden_by_default(start: Any) -> None:
    plain = start()
    answer = plain.post({"1": node("TestSilent", seconds=0, nonce=1), "2": node("PreviewImage", images=["1", 0])})
    assert answer.json()["error"]["type"] == "missing_node_type"
