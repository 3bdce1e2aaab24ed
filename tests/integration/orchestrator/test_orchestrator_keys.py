"""What a key may see, how often it may ask, and how much it may have under way: over several replicas."""

import asyncio
import hashlib
from collections import Counter
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from orchestrator.api.auth import key_of
from orchestrator.settings import ApiKey
from tests.integration.orchestrator.cloud import DRAFT, KEY, OTHER_KEY, Cloud, orchestrating
from tests.integration.orchestrator.conftest import StartCloud
from tests.waiting import eventually

SLOW = {"rate_per_second": 0.01, "rate_burst": 5}  # nothing is refilled while a test lasts
THEIRS = {"Authorization": f"Bearer {OTHER_KEY}"}
METRICS_KEY = "key-of-prometheus"


def api_key(name: str, token: str, **roles: bool) -> ApiKey:
    return ApiKey(name=name, sha256=hashlib.sha256(token.encode()).hexdigest(), **roles)


def refused(answer: httpx.Response, code: str, seconds: range) -> None:
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (429, code, True)
    assert int(answer.headers["retry-after"]) in seconds
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_belongs_to_another_key_is_404_everywhere(cloud: Cloud) -> None:
    upload = (await cloud.http.post("/api/uploads", json={"media_type": "image/png", "bytes": 10})).json()
    cloud.runpod.worker = None
    key = {"Idempotency-Key": "shared"}
    made = await cloud.create(key, webhook_url="http://127.0.0.1:9/hook")
    await cloud.http.delete(f"/api/generations/{made['id']}")
    [(delivery,)] = await cloud.rows("SELECT id FROM deliveries")
    for method, path in (
        ("GET", f"/api/generations/{made['id']}"),
        ("DELETE", f"/api/generations/{made['id']}"),
        ("POST", f"/api/deliveries/{delivery}/redeliver"),
    ):
        theirs = await cloud.http.request(method, path, headers=THEIRS)
        unknown = await cloud.http.request(method, path.replace(made["id"], "0" * 32).replace(delivery, "msg_0"))
        assert (theirs.status_code, unknown.status_code) == (404, 404)
        assert theirs.json() == unknown.json()  # nothing tells somebody else's from nobody's
    for path, name in (("/api/generations", "generations"), ("/api/deliveries", "deliveries")):
        assert len((await cloud.http.get(path)).json()[name]) == 1
        assert (await cloud.http.get(path, headers=THEIRS)).json()[name] == []
    socket = f"{cloud.url.replace('http', 'ws', 1)}/api/generations/{made['id']}/progress"
    with pytest.raises(InvalidStatus) as raised:
        await connect(socket, additional_headers=THEIRS, proxy=None)
    assert raised.value.response.status_code == 404
    stolen = await cloud.http.post("/api/generations", json={**DRAFT, "upload_id": upload["upload_id"]}, headers=THEIRS)
    assert (stolen.status_code, stolen.json()["errors"][0]["field"]) == (422, "upload_id")
    own = await cloud.http.post("/api/generations", json=DRAFT, headers={**THEIRS, **key})
    assert (own.status_code, own.json()["id"] != made["id"]) == (201, True)  # Idempotency-Keys are each key's own


async def test_the_rate_of_a_key_holds_over_replicas(start_cloud: StartCloud) -> None:
    async with start_cloud(**SLOW) as cloud, orchestrating(cloud.settings) as second:
        for replica in (cloud.http, second, cloud.http, second, cloud.http):
            assert (await replica.get("/api/generations")).status_code == 200
        for replica in (cloud.http, second):
            refused(await replica.get("/api/generations"), "rate_limited", range(90, 101))
            refused(await replica.post("/api/generations", json=DRAFT), "rate_limited", range(90, 101))
        assert (await second.get("/api/generations", headers=THEIRS)).status_code == 200
        assert (await second.get("/healthz")).status_code == 200
        # as if 100 s had passed: one token more, not two
        await cloud.rows("UPDATE rate_limits SET full_at = full_at - interval '100 s' WHERE owner = 'mivo'")
        assert (await second.get("/api/generations")).status_code == 200
        assert (await cloud.http.get("/api/generations")).status_code == 429
        # as if a year had passed: the bucket holds no more than a burst
        await cloud.rows("UPDATE rate_limits SET full_at = full_at - interval '1 year'")
        answers = [await cloud.http.get("/api/generations") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert cloud.runpod.jobs == []


async def test_requests_at_once_never_get_more_than_the_burst(start_cloud: StartCloud) -> None:
    async with start_cloud(**SLOW) as cloud, orchestrating(cloud.settings) as second:
        sent = [replica.get("/api/generations", timeout=20) for _ in range(15) for replica in (cloud.http, second)]
        assert Counter(answer.status_code for answer in await asyncio.gather(*sent)) == {200: 5, 429: 25}


async def test_a_key_has_so_many_generations_under_way_and_no_more(start_cloud: StartCloud) -> None:
    async with start_cloud(in_flight_limit=3) as cloud, orchestrating(cloud.settings) as second:
        cloud.runpod.worker = None

        def asked(replica: httpx.AsyncClient, number: int) -> Any:
            return replica.post(
                "/api/generations", json=DRAFT, headers={"Idempotency-Key": f"order-{number}"}, timeout=20
            )

        answers = await asyncio.gather(*(asked(second if number % 2 else cloud.http, number) for number in range(12)))
        assert Counter(answer.status_code for answer in answers) == {201: 3, 429: 9}
        assert await cloud.rows("SELECT count(*) FROM generations") == [(3,)]
        for answer in answers:
            if answer.status_code == 429:
                refused(answer, "too_many_in_flight", range(1, 61))
        number, first = next((number, made) for number, made in enumerate(answers) if made.status_code == 201)
        again = await asked(second, number)  # a repetition makes nothing, so it needs no room
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert (await cloud.http.post("/api/generations", json=DRAFT, headers=THEIRS)).status_code == 201
        await second.delete(f"/api/generations/{first.json()['id']}")
        assert (await asked(cloud.http, 100)).status_code == 201
        assert (await asked(cloud.http, 101)).status_code == 429


async def test_a_key_that_is_full_makes_us_fetch_nothing(start_cloud: StartCloud) -> None:
    async with start_cloud(in_flight_limit=1) as cloud:
        cloud.runpod.worker = None
        await cloud.create()
        unreachable = {**DRAFT, "image_urls": ["http://127.0.0.1:9/never.png"]}
        refused(await cloud.http.post("/api/generations", json=unreachable), "too_many_in_flight", range(1, 61))


async def test_metrics_are_for_engineers_and_a_key_of_their_own(start_cloud: StartCloud) -> None:
    keys = (api_key("mivo", KEY, debug=True), api_key("other", OTHER_KEY), api_key("prom", METRICS_KEY, metrics=True))
    async with start_cloud(api_keys=keys) as cloud, httpx.AsyncClient(base_url=cloud.url, trust_env=False) as stranger:
        prometheus = {"Authorization": f"Bearer {METRICS_KEY}"}
        assert (await stranger.get("/metrics")).status_code == 401
        assert (await stranger.get("/metrics", headers=THEIRS)).status_code == 403
        for headers in (prometheus, {"Authorization": f"Bearer {KEY}"}):
            answer = await stranger.get("/metrics", headers=headers)
            assert (answer.status_code, "ltx2_stage_runs" in answer.text) == (200, True)
        for method, path in (("GET", "/api/generations"), ("POST", "/api/generations"), ("GET", "/api/deliveries")):
            answer = await stranger.request(method, path, headers=prometheus)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert cloud.runpod.jobs == []


class Watched(ApiKey):
    """Counts how often it was looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name == "sha256":
            LOOKED_AT.append(super().__getattribute__("name"))
        return super().__getattribute__(name)


LOOKED_AT: list[str] = []


@pytest.mark.parametrize("token", ["token-0", "token-2", "nobody's", "", "\u00e9"])
def test_every_key_is_compared_whichever_fits(token: str) -> None:
    keys = [
        Watched(name=f"k{number}", sha256=hashlib.sha256(f"token-{number}".encode()).hexdigest()) for number in range(3)
    ]
    LOOKED_AT.clear()
    found = key_of(token, keys)
    assert LOOKED_AT == ["k0", "k1", "k2"]
    assert (found.name if found else None) == (f"k{token[-1]}" if token.startswith("token") else None)


async def test_what_is_stored_of_a_key_is_its_name(cloud: Cloud) -> None:
    await cloud.ended((await cloud.create())["id"])

    async def whole_database() -> str:
        tables = await cloud.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        found = [await cloud.rows(f'SELECT t::text FROM "{name}" AS t') for (name,) in tables]  # noqa: S608  ours
        return str(found)

    everything = await eventually(whole_database)
    assert "mivo" in everything
    for secret in (
        KEY,
        hashlib.sha256(KEY.encode()).hexdigest(),
        cloud.settings.s3.secret_access_key.get_secret_value(),
    ):
        assert secret not in everything


async def test_while_a_key_changes_over_both_see_the_same(start_cloud: StartCloud) -> None:
    async with start_cloud(api_keys=(api_key("mivo", "the-new-one"), api_key("mivo", KEY))) as cloud:
        made = await cloud.create()
        new = {"Authorization": "Bearer the-new-one"}
        assert (await cloud.http.get(f"/api/generations/{made['id']}", headers=new)).status_code == 200
