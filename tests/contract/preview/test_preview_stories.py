"""The events of a prompt, in the order and shape that a real ComfyUI was recorded with."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.preview.preview_client import Engine, Event, is_end
from tests.contract.preview.preview_graphs import base, cheap, node, sleeping
from tests.waiting import wait_for


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items() if key not in {"traceback", "current_inputs"}}
    if isinstance(value, list):
        return sorted({str(shape(part)) for part in value})
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def told(events: list[Event], *kinds: str) -> list[Any]:
    return [[event["type"], shape(event["data"])] for event in events if not kinds or event["type"] in kinds]


def fresh(graph: dict[str, Any]) -> dict[str, Any]:
    """The recorded graph under a number that no other test uses, so that nothing of it is cached."""
    number = uuid.uuid4().int % 2**24
    inputs = {name: number if name in {"nonce", "color"} else v for name, v in graph["1"]["inputs"].items()}
    return {**graph, "1": {**graph["1"], "inputs": inputs}}


@pytest.mark.parametrize(
    "name",
    [
        "ws_success_cheap",
        "ws_error_torch_oom",
        "ws_error_accelerator_oom_text",
        "ws_error_memory_error",
        "ws_error_value_error",
    ],
)
def test_the_story_is_told_as_recorded(engine: Engine, recorded: dict[str, Any], name: str) -> None:
    story = recorded["stories"][name]
    with engine.listen(uuid.uuid4().hex) as listener:
        listener.until(lambda e: e["type"] == "status")
        prompt_id = engine.submit(fresh(story["graph"]), client_id=listener.heard[0]["data"]["sid"])
        listener.story(prompt_id)
    wanted = [event for event in story["events"] if event["type"] != "status"]
    # another prompt of this engine may still be ending, and one without a client is told to everybody
    mine = [event for event in listener.heard if event["data"].get("prompt_id", prompt_id) == prompt_id]
    heard = [event for event in mine if event["type"] != "status"]
    assert told(heard)[: len(wanted)] == told(wanted)
    history = engine.history(prompt_id)[prompt_id]
    assert history.keys() == story["history"].keys()
    assert told([{"type": m[0], "data": m[1]} for m in history["status"]["messages"]]) == told(
        [{"type": m[0], "data": m[1]} for m in story["history"]["status"]["messages"]]
    )
    assert shape(history["outputs"]) == shape(story["history"]["outputs"])
    assert shape(history["meta"]) == shape(story["history"]["meta"])
    for own, theirs in zip(heard, wanted, strict=False):
        if own["type"] == "execution_error":
            for key in ("exception_type", "exception_message", "node_type", "executed"):
                assert own["data"][key] == theirs["data"][key]


def test_an_identical_graph_is_served_from_cache_with_the_old_names_and_writes_nothing(
    engine: Engine, recorded: dict[str, Any]
) -> None:
    graph = cheap(uuid.uuid4().int % 2**24, "again/ok")
    first = engine.outputs(graph)["2"]
    first.unlink()
    with engine.listen("again") as listener:
        prompt_id = engine.submit(graph, client_id="again")
        heard = listener.story(prompt_id)
    wanted = recorded["stories"]["ws_same_prompt_again_cached"]["events"]
    kinds = ("execution_start", "execution_cached", "executed", "progress_state", "execution_success", "executing")
    assert told(heard, *kinds) == told(wanted, *kinds)
    cached = next(e for e in heard if e["type"] == "execution_cached")
    assert sorted(cached["data"]["nodes"]) == ["1", "2"]
    repeated = next(e for e in heard if e["type"] == "executed")["data"]["output"]["images"][0]
    assert repeated["filename"] == first.name
    assert not first.exists()


def test_only_the_save_runs_when_only_its_name_changed_and_free_empties_the_cache(engine: Engine) -> None:
    colour = uuid.uuid4().int % 2**24
    engine.run(cheap(colour, "changed/one"))

    def cached(prefix: str) -> list[str]:
        messages = engine.run(cheap(colour, prefix))["status"]["messages"]
        return list(dict(messages)["execution_cached"]["nodes"])

    assert cached("changed/two") == ["1"]
    assert engine.http.post("/free", json={"unload_models": True, "free_memory": True}).content == b""
    assert cached("changed/two") == []


def steps_told(engine: Engine, client: str) -> list[dict[str, Any]]:
    graph = base(f"steps/{client}", seed=uuid.uuid4().int % 2**32)
    with engine.listen(client) as listener:
        heard = listener.story(engine.submit(graph, client_id=client))
    return [event["data"] for event in heard if event["type"] == "progress"]


def test_progress_of_a_quick_sampler_tells_the_first_and_the_last_step(engine: Engine) -> None:
    steps = steps_told(engine, "quick")
    assert steps[0]["value"] == 1
    assert steps[-1]["value"] == 8
    assert {(step["max"], step["node"]) for step in steps} == {(8, "sample")}


def test_progress_of_a_slow_sampler_tells_every_step(start: Callable[..., Engine]) -> None:
    assert [step["value"] for step in steps_told(start("--step-seconds", "0.15"), "slow")] == list(range(1, 9))


def test_two_clients_hear_only_their_own_story(engine: Engine, recorded: dict[str, Any]) -> None:
    with engine.listen("owner") as owner, engine.listen("other") as other, engine.listen(path="/api/ws") as anonymous:
        prompt_id = engine.submit(sleeping(0.3, uuid.uuid4().int % 2**31), client_id="owner")
        owner.story(prompt_id)
        for listener in (other, anonymous):
            listener.until(lambda e: e["type"] == "status" and e["data"]["status"]["exec_info"]["queue_remaining"] == 0)
    story = recorded["stories"]["ws_other_clients"]
    assert {event["type"] for event in other.heard} == {event["type"] for event in story["other"]} == {"status"}
    assert {event["type"] for event in anonymous.heard} == {"status"}
    assert {event["type"] for event in owner.heard} >= {event["type"] for event in story["owner"]}


def test_without_a_client_id_progress_is_for_everybody_and_the_rest_for_nobody(engine: Engine) -> None:
    with engine.listen("bystander") as listener:
        prompt_id = engine.submit(sleeping(0.2, uuid.uuid4().int % 2**31))
        listener.until(lambda e: e["type"] == "progress_state" and e["data"]["nodes"].get("2", {}).get("value") == 1.0)
        wait_for(lambda: engine.history(prompt_id))
    assert {event["type"] for event in listener.heard} == {"status", "progress", "progress_state"}


def test_a_client_that_comes_back_with_its_id_is_told_the_running_node(engine: Engine) -> None:
    with engine.listen("back") as listener:
        prompt_id = engine.submit(sleeping(1.5, uuid.uuid4().int % 2**31), client_id="back")
        listener.until(lambda e: e["type"] == "progress")
    with engine.listen("back") as again:
        again.story(prompt_id)
    assert [event["type"] for event in again.heard[:2]] == ["status", "executing"]
    assert again.heard[1]["data"] == {"node": "1"}
    assert any(event["type"] == "execution_success" for event in again.heard)


def test_a_new_socket_opened_before_the_old_one_closes_goes_dead(engine: Engine) -> None:
    prompt_id = ""
    with engine.listen("overlap") as second_holder:
        prompt_id = engine.submit(sleeping(2.0, uuid.uuid4().int % 2**31), client_id="overlap")
        second_holder.until(lambda e: e["type"] == "progress")
        second = engine.listen("overlap")
        second.__enter__()
        second.until(lambda e: e["type"] == "progress")
    wait_for(lambda: engine.history(prompt_id))
    with engine.listen("witness"):
        pass
    assert not any(is_end(event, prompt_id) for event in second.rest(silence=0.3))
    second._socket.close()


def test_feature_flags_are_answered(engine: Engine, recorded: dict[str, Any]) -> None:
    with engine.listen("flags") as listener:
        listener.say({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        listener.until(lambda e: e["type"] == "feature_flags")
    assert listener.heard[-1]["data"] == recorded["features"] == engine.http.get("/api/features").json()


def test_history_appears_after_success_and_before_the_end(start: Callable[..., Engine]) -> None:
    slow = start("--history-lag", "1.0")
    with slow.listen("timing") as listener:
        prompt_id = slow.submit(cheap(1), client_id="timing")
        listener.until(lambda e: e["type"] == "execution_success")
        assert slow.history(prompt_id) == {}
        listener.story(prompt_id)
        assert slow.history(prompt_id)[prompt_id]["status"]["completed"] is True


def test_outputs_of_finished_nodes_stay_in_the_history_of_a_failure(engine: Engine) -> None:
    graph = cheap(uuid.uuid4().int % 2**24, "part/ok")
    graph["3"] = node("TestRaise", kind="value_error", nonce=1)
    graph["4"] = node("PreviewImage", images=["3", 0])
    entry = engine.run(graph)
    assert entry["status"]["status_str"] == "error"
    assert list(entry["outputs"]) == ["2"]
    assert entry["status"]["messages"][-1][1]["executed"] == ["1", "2"]


def test_an_unknown_linked_input_fails_at_run_and_an_unknown_literal_is_ignored(engine: Engine) -> None:
    graph = cheap(uuid.uuid4().int % 2**24)
    graph["1"]["inputs"]["foo"] = 5
    assert engine.run(graph)["status"]["completed"]
    graph["3"] = node("EmptyImage", width=64, height=64, batch_size=1, color=3)
    graph["1"]["inputs"]["bar"] = ["3", 0]
    failure = engine.run(graph)["status"]["messages"][-1][1]
    assert failure["exception_type"] == "TypeError"
    assert "unexpected keyword argument 'bar'" in failure["exception_message"]
