"""Queue, interrupt and cancel."""

import uuid
from collections.abc import Callable

from tests.contract.preview.preview_client import Engine
from tests.contract.preview.preview_graphs import base, cheap, sleeping
from tests.waiting import wait_for


def nonce() -> int:
    return uuid.uuid4().int % 2**31


def test_interrupt_mid_sampling(start: Callable[..., Engine]) -> None:
    slow = start("--step-seconds", "0.2")
    with slow.listen("me") as listener:
        prompt_id = slow.submit(base("int/a"), client_id="me")
        listener.until(lambda e: e["type"] == "progress" and e["data"]["value"] == 2)
        assert slow.http.post("/interrupt", json={"prompt_id": str(uuid.uuid4())}).status_code == 200  # no effect
        listener.until(lambda e: e["type"] == "progress" and e["data"]["value"] == 3)
        assert slow.http.post("/interrupt", json={"prompt_id": prompt_id}).content == b""
        heard = listener.story(prompt_id)
    ended = next(event for event in heard if event["type"] == "execution_interrupted")["data"]
    assert (ended["node_id"], ended["node_type"]) == ("sample", "SamplerCustomAdvanced")
    assert "sigmas" in ended["executed"]
    assert "sample" not in ended["executed"]
    assert not any(event["type"] == "execution_success" for event in heard)
    status = slow.history(prompt_id)[prompt_id]["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert status["messages"][-1][0] == "execution_interrupted"
    again = slow.submit(cheap(nonce() % 2**24))
    assert wait_for(lambda: slow.history(again))[again]["status"]["completed"], "the flag must not hit the next one"


def test_interrupt_during_a_silent_node_is_reported_on_the_next_one(engine: Engine) -> None:
    with engine.listen("silent") as listener:
        prompt_id = engine.submit(sleeping(0.8, nonce(), "TestSilent"), client_id="silent")
        listener.until(lambda e: e["type"] == "executing" and e["data"]["node"] == "1")
        engine.http.post("/interrupt", json={})
        heard = listener.story(prompt_id)
    ended = next(event for event in heard if event["type"] == "execution_interrupted")["data"]
    assert (ended["node_id"], ended["node_type"], ended["executed"]) == ("2", "PreviewImage", ["1"])


def test_an_interrupt_that_comes_too_late_does_not_hit_the_next_prompt(start: Callable[..., Engine]) -> None:
    slow = start("--history-lag", "1.0")
    with slow.listen("late") as listener:
        first = slow.submit(cheap(1), client_id="late")
        listener.until(lambda e: e["type"] == "execution_success")
        second = slow.submit(cheap(2), client_id="late")
        slow.http.post("/interrupt", json={})  # the first one has done all its work
        listener.story(first)
        listener.story(second)
    assert slow.history(first)[first]["status"]["completed"]
    assert slow.history(second)[second]["status"]["completed"]


def test_queue_front_number_delete_clear_and_cancel(engine: Engine) -> None:
    running = engine.submit(sleeping(60, nonce()), client_id="q")
    wait_for(lambda: engine.http.get("/queue").json()["queue_running"])
    late, first, dropped, cancelled = (str(uuid.uuid4()) for _ in range(4))
    engine.submit(cheap(1), prompt_id=late, number=10**9)
    engine.submit(cheap(2), prompt_id=first, front=True)
    engine.submit(cheap(3), prompt_id=dropped)
    engine.submit(cheap(4), prompt_id=cancelled)
    queue = engine.http.get("/api/queue").json()
    number, prompt_id, graph, extra, outputs = queue["queue_running"][0]
    assert (prompt_id, extra["client_id"], outputs) == (running, "q", ["2"])
    assert (type(number), graph["1"]["class_type"], type(extra["create_time"])) == (int, "TestSleep", int)
    assert [entry[1] for entry in queue["queue_pending"]] == [first, dropped, cancelled, late]
    assert engine.http.get("/prompt").json() == {"exec_info": {"queue_remaining": 5}}
    assert engine.http.post("/queue", json={"delete": [dropped]}).content == b""
    assert engine.http.post(f"/api/jobs/{cancelled}/cancel").json() == {"cancelled": True}
    assert [e[1] for e in engine.http.get("/queue").json()["queue_pending"]] == [first, late]
    engine.http.post("/queue", json={"clear": True})
    assert engine.http.get("/queue").json()["queue_pending"] == []
    assert engine.http.post(f"/api/jobs/{running}/cancel").json() == {"cancelled": True}
    entry = wait_for(lambda: engine.history(running))[running]
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert engine.history(dropped) == engine.history(cancelled) == {}
    assert engine.http.post(f"/api/jobs/{running}/cancel").json() == {"cancelled": False}


def test_the_same_prompt_id_twice_runs_twice(engine: Engine) -> None:
    prompt_id = str(uuid.uuid4())
    with engine.listen("twice") as listener:
        for _ in range(2):
            engine.submit(cheap(nonce() % 2**24), prompt_id=prompt_id, client_id="twice")
            assert any(e["type"] == "execution_success" for e in listener.story(prompt_id))


def test_history_can_be_limited(engine: Engine) -> None:
    last = engine.submit(cheap(nonce() % 2**24))
    wait_for(lambda: engine.history(last))
    assert list(engine.http.get("/history?max_items=1").json()) == [last]
