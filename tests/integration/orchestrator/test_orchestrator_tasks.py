"""One to five tasks in one request, as Mivo's pages send them: all start, or none does."""

from typing import Any

import pytest

from tests.integration.orchestrator.cloud import DRAFT, Cloud
from tests.integration.orchestrator.conftest import StartCloud

PAGE = {
    "model": "ltx-2-t2v",
    "prompt": "a lighthouse",
    "quality": "fast",
    "resolution": "720p",
    "duration": 10,
    "camera_lora": "dolly_in",
    "seed": 7,
    "image_urls": [],
    "aspect_ratio": "16:9",
}
"""What a page of Mivo sends of one video."""
PATHS = ["/api/generations", "/api/generations/studio/ai-video"]


def drafts(count: int, **more: Any) -> dict[str, Any]:
    return {"tasks": [{**DRAFT, "prompt": f"a lighthouse {number}", **more} for number in range(count)]}


async def made(cloud: Cloud) -> int:
    [(count,)] = await cloud.rows("SELECT count(*) FROM generations")
    return int(count)


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_page_sends_is_taken_and_answered_in_its_order(cloud: Cloud, path: str) -> None:
    answer = await cloud.http.post(path, json={"tasks": [PAGE, {**PAGE, "quality": "pro", "model": "ltx-2"}]})
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert [each["credits"] for each in said["generations"]] == [30, 45]
    assert said["credits"] == 75
    first = said["generations"][0]
    assert first["seed"] == 7
    assert [stage["stage"] for stage in first["plan"]] == ["base_gen", "spatial_upscale"]
    assert (await cloud.http.get(first["urls"]["self"])).json()["id"] == first["id"]
    for each in said["generations"]:
        assert (await cloud.http.delete(each["urls"]["self"])).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_single_one_is_taken_on_both_paths(cloud: Cloud, path: str) -> None:
    answer = await cloud.http.post(path, json={**DRAFT, "prompt": "x"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/generations/{answer.json()['id']}"


async def test_all_of_them_become_videos(cloud: Cloud) -> None:
    said = (await cloud.http.post("/api/generations", json=drafts(5))).json()
    ended = [await cloud.ended(each["id"]) for each in said["generations"]]
    assert [each["state"] for each in ended] == ["succeeded"] * 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tasks": []}, "tasks"),
        (drafts(6), "tasks"),
        ({"tasks": {}}, "tasks"),
        ({"tasks": [{**DRAFT, "prompt": "x"}, {**DRAFT, "prompt": "x", "camera": "spiral"}]}, "tasks.1.camera"),
        ({"tasks": [{**DRAFT, "prompt": ""}]}, "tasks.0.prompt"),
        ({**drafts(1), "prompt": "x"}, "prompt"),
        (drafts(2, image_urls=["http://127.0.0.1:9/gone.png"]), "tasks.0.image_urls.0"),
        (drafts(1, upload_id="0" * 32), "tasks.0.upload_id"),
    ],
    ids=["none", "six", "no list", "second", "prompt", "both forms", "dead image", "no upload"],
)
async def test_one_bad_one_starts_none_and_is_named(cloud: Cloud, body: dict[str, Any], field: str) -> None:
    before = await made(cloud)
    answer = await cloud.http.post("/api/generations", json=body)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert await made(cloud) == before


async def test_a_repetition_with_the_same_key_gives_the_same_ones(cloud: Cloud) -> None:
    key = {"Idempotency-Key": "three-at-once"}
    first = await cloud.http.post("/api/generations", json=drafts(3), headers=key)
    again = await cloud.http.post("/api/generations", json=drafts(3), headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    ids = [[each["id"] for each in answer.json()["generations"]] for answer in (first, again)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
    other = await cloud.http.post("/api/generations", json=drafts(2), headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


async def test_there_must_be_room_for_all(start_cloud: StartCloud) -> None:
    async with start_cloud(in_flight_limit=3) as cloud:
        refused = await cloud.http.post("/api/generations", json=drafts(4))
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_in_flight")
        assert await made(cloud) == 0
        assert (await cloud.http.post("/api/generations", json=drafts(3))).status_code == 201


async def test_a_quote_of_several(cloud: Cloud) -> None:
    tasks = [{**PAGE, "duration": seconds} for seconds in (10, 15, 20)]
    said = (await cloud.http.post("/api/quotes", json={"tasks": tasks})).json()
    assert [each["credits"] for each in said["quotes"]] == [30, 45, 60]
    assert said["credits"] == 135
