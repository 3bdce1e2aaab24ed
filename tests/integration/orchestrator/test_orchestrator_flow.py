import asyncio
import hashlib
from io import BytesIO

import httpx
import pytest
from PIL import Image

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import DRAFT, OTHER_KEY, Cloud, orchestrating
from tests.integration.orchestrator.conftest import StartCloud
from tests.waiting import eventually


def png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 36), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("temporal", [True, False])
async def test_every_toggle_leads_to_the_video_that_was_planned(cloud: Cloud, spatial: bool, temporal: bool) -> None:
    made = await cloud.create(spatial_upscale=spatial, temporal_upscale=temporal)
    assert made["state"] == "queued"
    ended = await cloud.ended(made["id"])
    assert ended["state"] == "succeeded", ended
    stages = [Stage.BASE_GEN, *[Stage.SPATIAL_UPSCALE] * spatial, *[Stage.TEMPORAL_UPSCALE] * temporal]
    assert [run["stage"] for run in ended["stages"]] == stages
    assert all(run["state"] == "succeeded" and run["attempt"] == 1 for run in ended["stages"])
    assert all(run["reused"] is False and run["artifacts"] for run in ended["stages"])
    result = ended["result"]
    assert (result["width"], result["height"], result["fps"]) == (256, 144, 48 if temporal else 24)
    assert ended["fraction"] == 1.0
    assert ended["credits_refund"] == 0
    assert cloud.worker.renders == dict.fromkeys(stages, 1)
    async with httpx.AsyncClient(trust_env=False) as outside:
        assert (await outside.get(result["video_url"])).content == b"not really mp4"
        assert (await outside.get(result["poster_url"])).content == b"not really jpeg"


async def test_runpod_gets_policy_and_callback_url(start_cloud: StartCloud) -> None:
    async with start_cloud(public_url="https://orchestrator.example/") as cloud:
        made = await cloud.create()
        body = (await cloud.job(Stage.BASE_GEN)).body
        limit = 300 + 4 * 1  # durations.deadline of a draft of one second
        assert body["policy"] == {"executionTimeout": limit * 1000, "ttl": (limit + 3600) * 1000}
        [(run_id, token)] = await cloud.rows(
            "SELECT id, token FROM stage_runs WHERE generation_id = %s AND stage = 'base_gen'", made["id"]
        )
        assert body["webhook"] == f"https://orchestrator.example/api/callbacks/runpod/{run_id}/{token}"
        assert body["input"]["attempt_id"] == run_id
        await cloud.ended(made["id"])


async def test_a_stage_that_was_made_before_is_not_made_again(cloud: Cloud) -> None:
    first = await cloud.create(seed=7)
    await cloud.ended(first["id"])
    second = await cloud.ended((await cloud.create(seed=7, temporal_upscale=True))["id"])
    base, refined, smoothed = second["stages"]
    assert second["state"] == "succeeded"
    assert base["reused"]
    assert not refined["reused"]  # another ending: it decoded before, now it hands over latents
    assert not smoothed["reused"]
    assert len(cloud.runpod.of(Stage.BASE_GEN)) == 1
    third = await cloud.ended((await cloud.create(seed=7, temporal_upscale=True))["id"])
    assert [run["reused"] for run in third["stages"]] == [True, True, True]
    assert len(cloud.runpod.jobs) == 4


async def test_the_same_key_and_body_give_the_same_generation(cloud: Cloud) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = await cloud.create(key)
    again = await cloud.http.post("/api/generations", json=DRAFT, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert again.json()["seed"] == first["seed"]
    other = await cloud.http.post("/api/generations", json={**DRAFT, "seed": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_twenty_requests_at_once_with_one_key_make_one_generation(cloud: Cloud) -> None:
    key = {"Idempotency-Key": "order-2"}
    sent = [cloud.http.post("/api/generations", json=DRAFT, headers=key, timeout=20) for _ in range(20)]
    answers = await asyncio.gather(*sent)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await cloud.rows("SELECT count(*) FROM generations") == [(1,)]


async def test_an_uploaded_image_reaches_the_stage(cloud: Cloud) -> None:
    body = png()
    asked = await cloud.http.post("/api/uploads", json={"media_type": "image/png", "bytes": len(body)})
    upload = asked.json()
    assert asked.status_code == 201
    async with httpx.AsyncClient(trust_env=False) as outside:
        put = await outside.put(upload["url"], content=body, headers=upload["headers"])
        assert put.is_success
    made = await cloud.create(upload_id=upload["upload_id"])
    image = (await cloud.job(Stage.BASE_GEN)).body["input"]["image"]
    digest = hashlib.sha256(body).hexdigest()
    assert (image["key"], image["sha256"]) == (f"inputs/{digest}", digest)
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_each_key_sees_only_its_own(cloud: Cloud) -> None:
    mine = [(await cloud.create())["id"] for _ in range(3)]
    page = (await cloud.http.get("/api/generations?limit=2")).json()
    assert [row["id"] for row in page["generations"]] == [mine[2], mine[1]]
    rest = (await cloud.http.get(f"/api/generations?limit=2&before={page['next']}")).json()
    assert [row["id"] for row in rest["generations"]] == [mine[0]]
    assert rest["next"] is None
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}
    assert (await cloud.http.get("/api/generations", headers=theirs)).json()["generations"] == []
    for method in ("GET", "DELETE"):
        answer = await cloud.http.request(method, f"/api/generations/{mine[0]}", headers=theirs)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_another_replica_goes_on_where_one_stopped(start_cloud: StartCloud) -> None:
    """The one that stops was just asking RunPod: its claim on the run is given back, not left to expire."""
    async with start_cloud(poll_seconds_min=60, poll_seconds_max=60) as cloud:
        quick = cloud.settings.model_copy(update={"poll_seconds_min": 0.05, "poll_seconds_max": 0.1})
        cloud.runpod.worker = None
        cloud.runpod.gate = asyncio.Event()
        async with orchestrating(quick) as stopping:
            made = (await stopping.post("/api/generations", json={**DRAFT, "spatial_upscale": False})).json()
            job = await cloud.job(Stage.BASE_GEN)
            await cloud.rows("UPDATE stage_runs SET next_poll_at = now()")

            async def asking() -> bool:
                return cloud.runpod.waiting > 0

            await eventually(asking)
        await cloud.worker(job)
        cloud.runpod.gate.set()
        async with orchestrating(quick):
            assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_a_quote_starts_nothing(cloud: Cloud) -> None:
    quote = (await cloud.http.post("/api/quotes", json={"prompt": "x", "quality": "pro", "duration": 15})).json()
    assert quote["credits"] == 67
    assert quote["delivers"] == {"width": 1280, "height": 720, "frames": 360, "fps": 24, "seconds": 15}
    assert quote["estimated_seconds"] == pytest.approx(sum(stage["estimated_seconds"] for stage in quote["stages"]))
    assert await cloud.rows("SELECT count(*) FROM generations") == [(0,)]


async def test_a_surcharge_is_shown_quoted_charged_and_given_back(start_cloud: StartCloud) -> None:
    async with start_cloud(surcharge_temporal_upscale=7, surcharge_detailer=5) as cloud:
        [card] = (await cloud.http.get("/api/models")).json()["models"]
        assert card["surcharges"] == {"spatial_upscale": 0, "temporal_upscale": 7, "detailer": 5, "control": 0}
        asked = {"prompt": "x", "resolution": "720p", "duration": 10, "temporal_upscale": True}
        quote = (await cloud.http.post("/api/quotes", json=asked)).json()
        assert (quote["credits"], quote["surcharges"]) == (37, {"temporal_upscale": 7})
        cloud.runpod.worker = None
        made = (await cloud.http.post("/api/generations", json=asked)).json()
        canceled = (await cloud.http.delete(f"/api/generations/{made['id']}")).json()
        assert (made["credits"], canceled["credits_refund"]) == (37, 37)


async def test_a_raw_stage_input_goes_to_its_endpoint(cloud: Cloud) -> None:
    sent = await cloud.http.post("/api/stages/base_gen", json={"prompt": "alone", "resolution": "draft", "duration": 1})
    assert sent.status_code == 202
    status = (await cloud.http.get(sent.json()["urls"]["self"])).json()
    assert (status["status"], status["output"]["stage"]) == ("COMPLETED", "base_gen")
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}
    assert (await cloud.http.post("/api/stages/base_gen", json={}, headers=theirs)).status_code == 403
    assert (await cloud.http.get("/api/stages/base_gen/unknown")).status_code == 404
    assert (await cloud.http.post("/api/stages/no_stage", json={})).status_code == 422
