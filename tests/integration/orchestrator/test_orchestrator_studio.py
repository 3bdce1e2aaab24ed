"""GET /studio: what a browser is sent, and under which policy."""

import gzip
import re

import httpx
import pytest

from orchestrator.api.studio import ASSETS
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud

LIMIT = 150_000  # bytes, of issue 5
STATIC_IMPORT = re.compile(r"""from\s+["'](\.[^"']+)["']""")


def test_the_whole_page_is_light() -> None:
    assert sum(len(asset.body) for asset in ASSETS.values()) < LIMIT, "even when nothing is packed"


def test_every_module_that_is_imported_is_served() -> None:
    for name, asset in ASSETS.items():
        base = httpx.URL(f"http://studio/{name}")
        named = [base.join(found).path.removeprefix("/") for found in STATIC_IMPORT.findall(asset.body.decode())]
        assert [each for each in named if each not in ASSETS] == []


def test_the_page_names_every_module_so_that_they_come_at_once() -> None:
    named = re.findall(r'(?:modulepreload" href|module" src)="studio/([^"]+)"', ASSETS["index.html"].body.decode())
    assert sorted(named) == sorted(name for name in ASSETS if name.endswith(".js"))


async def test_the_page_needs_no_key_and_runs_nothing_but_its_own(cloud: Cloud) -> None:
    async with httpx.AsyncClient(base_url=cloud.url, trust_env=False) as stranger:
        answer = await stranger.get("/studio")
    assert answer.status_code == httpx.codes.OK
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    storage = str(cloud.settings.s3.endpoint_url)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {storage}"
    assert policy["media-src"] == policy["img-src"] == f"'self' blob: {storage}"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", answer.text) == []


async def test_users_reach_storage_by_its_public_name(cloud: Cloud, start_cloud: StartCloud) -> None:
    s3 = cloud.settings.s3.model_copy(update={"public_endpoint_url": "https://media.example"})
    async with start_cloud(s3=s3) as public:
        policy = (await public.http.get("/studio")).headers["content-security-policy"]
    assert "connect-src 'self' https://media.example;" in policy


@pytest.mark.parametrize("path", ["/studio", "/studio/element.js", "/studio/page.css"])
async def test_what_is_kept_is_asked_for_again_and_not_sent_again(cloud: Cloud, path: str) -> None:
    first = await cloud.http.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = await cloud.http.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (httpx.codes.NOT_MODIFIED, b"")
    changed = await cloud.http.get(path, headers={"If-None-Match": '"other"'})
    assert changed.status_code == httpx.codes.OK
    head = await cloud.http.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (httpx.codes.OK, b"", first.headers["etag"])


async def test_what_has_its_version_in_its_name_is_kept_for_ever(cloud: Cloud) -> None:
    [vendored] = [name for name in ASSETS if name.startswith("vendor/")]
    answer = await cloud.http.get(f"/studio/{vendored}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["access-control-allow-origin"] == "*", "an embedding page imports it from its own origin"


async def test_it_travels_packed_to_those_who_can_unpack(cloud: Cloud) -> None:
    plain = await cloud.http.get("/studio/element.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with cloud.http.stream("GET", "/studio/element.js", headers={"Accept-Encoding": "br, gzip"}) as packed:
        raw = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "vendor/LICENSE-lit", "%2e%2e/app.py", "..%2fapp.py"])
async def test_nothing_else_is_served(cloud: Cloud, name: str) -> None:
    assert (await cloud.http.get(f"/studio/{name}")).status_code == httpx.codes.NOT_FOUND


async def test_a_slash_at_the_end_leads_to_the_page(cloud: Cloud) -> None:
    answer = await cloud.http.get("/studio/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (httpx.codes.OK, "/studio")


async def test_the_page_is_no_part_of_the_api(cloud: Cloud) -> None:
    paths = (await cloud.http.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith("/studio")]
