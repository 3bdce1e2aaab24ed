"""What operators see, of every key's generations, over real rows: /api/admin, and who gets it."""

import time
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx

from orchestrator.runpod_client import TRIES
from orchestrator.workforce import KEPT_SECONDS
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import ADMIN_KEY, KEY, OTHER_KEY, Cloud
from tests.integration.orchestrator.test_orchestrator_faults import script
from tests.integration.orchestrator.webhook_receiver import Receiver
from tests.waiting import eventually

OPERATOR = {"Authorization": f"Bearer {ADMIN_KEY}"}
PROMPT = "a secret garden behind the wall"
MANY = 2500
COPIES = """INSERT INTO generations (id, owner, state, request, plan, credits, credits_refund, error,
created_at, finished_at) SELECT md5(n::text), owner, state, request, plan, credits, credits_refund, error,
now() - interval '50 min', now() - interval '40 min' FROM generate_series(1, %s) AS n, generations WHERE id = %s"""
RUNS = """INSERT INTO stage_runs (id, generation_id, stage, attempt, state, token, error, created_at, submitted_at,
started_at, finished_at, deadline_at, next_poll_at)
SELECT md5(n::text), md5(n::text), stage, attempt, state, token, error, now() - interval '50 min',
now() - interval '49 min', now() - interval '45 min', now() - interval '40 min', now(), now()
FROM generate_series(1, %s) AS n, stage_runs WHERE generation_id = %s AND attempt = 1"""


async def told(cloud: Cloud, path: str, status: int = httpx.codes.OK) -> Any:
    answer = await cloud.http.get(f"/api/admin/{path}", headers=OPERATOR)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_only_an_admin_key_is_answered(cloud: Cloud) -> None:
    paths = [path for path in (await cloud.http.get("/openapi.json")).json()["paths"] if path.startswith("/api/admin/")]
    assert len(paths) == 5
    for path in paths:
        asked = path.format(generation_id="0" * 32)
        for key in ("", "Bearer wrong"):
            refused = await cloud.http.get(asked, headers={"Authorization": key})
            assert (refused.status_code, refused.json()["code"]) == (httpx.codes.UNAUTHORIZED, "unauthorized")
        for key in (KEY, OTHER_KEY):  # the first is an engineer's
            refused = await cloud.http.get(asked, headers={"Authorization": f"Bearer {key}"})
            assert (refused.status_code, refused.json()["code"]) == (httpx.codes.FORBIDDEN, "forbidden")
            assert "no admin key" in refused.json()["detail"]


async def test_an_admin_key_may_do_nothing_else(cloud: Cloud) -> None:
    for method, path in (
        ("POST", "/api/generations"),
        ("GET", "/api/generations"),
        ("GET", "/api/deliveries"),
        ("POST", "/api/stages/base_gen"),
        ("GET", "/metrics"),
    ):
        answer = await cloud.http.request(method, path, headers=OPERATOR, json={})
        assert (answer.status_code, answer.json()["code"]) == (httpx.codes.FORBIDDEN, "forbidden"), path
    assert cloud.runpod.jobs == []


async def calm(cloud: Cloud) -> Any:
    """The overview, once RunPod has told of its workers: a busy machine may be too slow the first time."""
    seen = await told(cloud, "overview")
    return None if seen["concerns"] else seen


async def test_an_empty_database_is_no_trouble(cloud: Cloud) -> None:
    seen = await eventually(lambda: calm(cloud))
    assert 'ltx2_workers{stage="base_gen",state="idle"} 1.0' in (await cloud.http.get("/metrics")).text
    assert (seen["concerns"], seen["failures"], seen["seconds"]) == ([], [], None)
    assert seen["live"] == {"queued": 0, "running": 0}
    assert [flow["minutes"] for flow in seen["flows"]] == [5, 60]
    assert [stage["stage"] for stage in seen["stages"]] == list(Stage)
    for stage in seen["stages"]:
        assert stage["submitted"] == {"count": 0, "oldest_seconds": 0}
        assert stage["hour"]["run_seconds"] is None
        [endpoint] = stage["endpoints"]
        assert (endpoint["idle"], endpoint["running"], endpoint["unhealthy"]) == (1, None, None), "as RunPod told it"
    for path, name in (("generations", "generations"), ("quiet", "generations"), ("failures", "failures")):
        assert (await told(cloud, path))[name] == []
    await told(cloud, f"generations/{'0' * 32}", httpx.codes.NOT_FOUND)
    await told(cloud, "generations?state=lost", httpx.codes.UNPROCESSABLE_ENTITY)
    await told(cloud, "failures?code=unheard_of", httpx.codes.UNPROCESSABLE_ENTITY)


async def test_what_happened_is_counted_listed_and_explained(cloud: Cloud, receiver: Receiver) -> None:
    script(cloud, "worker_lost")
    words: dict[str, Any] = {
        "prompt": PROMPT,
        "metadata": {"user": "somebody"},
        "webhook_url": f"{receiver.url}?token=of-the-receiver",
    }
    good = await cloud.ended((await cloud.create(**words, temporal_upscale=True))["id"])
    script(cloud, "model_missing")
    bad = await cloud.ended((await cloud.create(prompt=PROMPT))["id"])

    seen = await told(cloud, "overview")
    assert ("WrongSetup", "base_gen") in [(each["alert"], each["stage"]) for each in seen["concerns"]]
    for flow in seen["flows"]:
        assert (flow["accepted"], flow["succeeded"], flow["failed"], flow["canceled"]) == (2, 1, 1, 0)
    assert [(each["stage"], each["code"], each["hour"], each["day"]) for each in seen["failures"]] == [
        ("base_gen", "model_missing", 1, 1),
        ("base_gen", "worker_lost", 1, 1),
    ]
    base, spatial, _ = (stage["hour"] for stage in seen["stages"])
    assert (base["succeeded"], base["failed"], base["retries"]) == (1, 2, 1)
    assert (spatial["succeeded"], spatial["failed"], spatial["retries"]) == (1, 0, 0)
    assert seen["seconds"]["p50"] > 0

    failures = (await told(cloud, "failures"))["failures"]
    assert [(each["code"], each["attempt"], each["generation_state"]) for each in failures] == [
        ("model_missing", 1, "failed"),
        ("worker_lost", 1, "succeeded"),
    ]
    assert failures[0]["message"] == "as the test says"
    for query in ("code=model_missing", "code=model_missing&stage=base_gen"):
        [only] = (await told(cloud, f"failures?{query}"))["failures"]
        assert (only["generation_id"], bool(only["runpod_id"])) == (bad["id"], True)
    assert (await told(cloud, "failures?stage=temporal_upscale"))["failures"] == []

    lists = {state: (await told(cloud, f"generations?state={state}"))["generations"] for state in ("failed", "queued")}
    [listed] = lists["failed"]
    assert (listed["id"], listed["code"], listed["stage"], lists["queued"]) == (
        bad["id"],
        "model_missing",
        "base_gen",
        [],
    )
    first = await told(cloud, "generations?limit=1")
    second = await told(cloud, f"generations?limit=1&before={first['next']}")
    assert [page["generations"][0]["id"] for page in (first, second)] == [bad["id"], good["id"]]

    await eventually(lambda: delivered(cloud, good["id"]))
    report = await told(cloud, f"generations/{good['id']}")
    assert [(run["stage"], run["attempt"], run["state"]) for run in report["runs"]] == [
        ("base_gen", 1, "failed"),
        ("base_gen", 2, "succeeded"),
        ("spatial_upscale", 1, "succeeded"),
        ("temporal_upscale", 1, "succeeded"),
    ]
    assert report["runs"][0]["error"]["code"] == "worker_lost"
    assert all(run["runpod_id"] and run["attempt_id"] and run["deadline_at"] is None for run in report["runs"])
    [video] = [each for each in report["runs"][-1]["artifacts"] if each["role"] == "video"]
    assert (video["sha256"], video["bytes"]) == (good["result"]["sha256"], good["result"]["bytes"])
    covered(report)
    assert 0 < report["wasted_seconds"] < report["sums"]["running"] + 0.001
    assert [each["type"] for each in report["events"]][:2] == ["generation.queued", "stage.pending"]
    assert [each["code"] for each in report["events"] if each["code"]] == ["worker_lost"]
    assert report["asked"]["webhook"]
    for hidden in (PROMPT, "somebody", "of-the-receiver", "X-Amz"):
        assert hidden not in str([report, seen, failures, first])


async def delivered(cloud: Cloud, generation_id: str) -> bool:
    delivery = (await told(cloud, f"generations/{generation_id}"))["delivery"]
    return bool(delivery and delivery["state"] == "delivered" and delivery["tries"] == 1)


def covered(report: dict[str, Any]) -> None:
    """From the request to the end without a gap."""
    spans = [(datetime.fromisoformat(each["begins"]), datetime.fromisoformat(each["ends"])) for each in report["spans"]]
    assert spans[0][0] == datetime.fromisoformat(report["created_at"])
    assert spans[-1][1] == datetime.fromisoformat(report["finished_at"])
    assert all(one[1] == two[0] for one, two in pairwise(spans))


async def test_what_may_be_stuck_is_found(cloud: Cloud) -> None:
    cloud.runpod.worker = None
    old, new = [(await cloud.create())["id"] for _ in range(2)]
    for each in (old, new):
        await cloud.seen(each, "submitted")
    await cloud.rows("UPDATE events SET at = at - interval '20 min' WHERE generation_id = %s", old)
    assert [each["id"] for each in (await told(cloud, "quiet?minutes=0"))["generations"]] == [old, new]
    [stuck] = (await told(cloud, "quiet"))["generations"]
    assert (stuck["id"], stuck["run_state"], stuck["state"]) == (old, "submitted", "running")
    assert stuck["quiet_seconds"] >= 1200
    assert (await told(cloud, "quiet?minutes=30"))["generations"] == []
    report = await told(cloud, f"generations/{old}")
    assert (report["finished_at"], report["runs"][0]["deadline_at"] is not None) == (None, True)
    assert (report["spans"][-1]["passing"], report["spans"][-1]["ends"]) == ("queued", report["at"])
    seen = await told(cloud, "overview")
    assert (seen["stages"][0]["submitted"]["count"], seen["flows"][0]["accepted"]) == (2, 2)
    await cloud.rows("UPDATE events SET type = 'progress' WHERE generation_id = %s AND type = 'stage.pending'", new)
    events = (await told(cloud, f"generations/{new}"))["events"]
    assert [each["type"] for each in events] == ["generation.queued", "stage.submitted", "generation.running"]


async def test_a_runpod_that_does_not_answer_is_unknown_and_not_asked_again_at_once(cloud: Cloud) -> None:
    cloud.runpod.healthy = False
    began = time.monotonic()
    for _ in range(3):
        seen = await told(cloud, "overview")
    assert [each["alert"] for each in seen["concerns"]] == ["RunPodFailing"] * 3
    assert {each["idle"] for stage in seen["stages"] for each in stage["endpoints"]} == {None}
    text = (await cloud.http.get("/metrics")).text
    assert "ltx2_workers{" not in text, "what is not known is no number"
    asked = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith('ltx2_runpod_requests_total{operation="health"')
    ]
    looks = 1 + (time.monotonic() - began) // KEPT_SECONDS
    assert sum(asked) <= looks * len(Stage) * TRIES, "once for each endpoint, with its retries"


async def test_of_very_many_only_a_page_is_read(cloud: Cloud) -> None:
    script(cloud, "model_missing")
    bad = await cloud.ended((await cloud.create())["id"])
    await cloud.rows(COPIES, MANY, bad["id"])
    await cloud.rows(RUNS, MANY, bad["id"])
    page = await told(cloud, "generations?state=failed&limit=100")
    assert (len(page["generations"]), page["next"]) == (100, page["generations"][-1]["number"])
    assert len((await told(cloud, "failures?limit=100"))["failures"]) == 100
    await told(cloud, "failures?limit=101", httpx.codes.UNPROCESSABLE_ENTITY)
    seen = await told(cloud, "overview")
    assert [flow["failed"] for flow in seen["flows"]] == [1, MANY + 1]
    [counted] = seen["failures"]
    assert (counted["code"], counted["hour"]) == ("model_missing", MANY + 1)
    hour = seen["stages"][0]["hour"]
    assert hour["queue_seconds"] == {"p50": 240, "p95": 240}
    assert (hour["run_seconds"], round(hour["wasted_gpu_seconds"] / MANY)) == (None, 300)
