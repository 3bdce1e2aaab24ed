"""GET /admin: what a browser is sent, under which policy, and when there is none."""

import re

import httpx

from orchestrator.api.admin_page import ASSETS
from orchestrator.api.studio import ASSETS as STUDIO
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud

LIMIT = 60_000  # bytes, without Lit
STATIC_IMPORT = re.compile(r"""from\s+["'](\.[^"']+)["']""")
SERVED = {f"admin/{name}" for name in ASSETS} | {f"studio/{name}" for name in STUDIO}


def test_it_is_light_and_every_module_that_is_imported_is_served_and_named() -> None:
    assert sum(len(asset.body) for asset in ASSETS.values()) < LIMIT
    page = ASSETS["index.html"].body.decode()
    named = set(re.findall(r'(?:modulepreload" href|module" src)="([^"]+)"', page))
    needed = {f"admin/{name}" for name in ASSETS if name.endswith(".js")}
    for name, asset in ASSETS.items():
        base = httpx.URL(f"http://here/admin/{name}")
        found = {base.join(each).path.removeprefix("/") for each in STATIC_IMPORT.findall(asset.body.decode())}
        assert found <= SERVED
        needed |= found
    assert named == needed
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page) == []


async def test_it_needs_no_key_holds_no_data_and_runs_nothing_but_its_own(cloud: Cloud) -> None:
    async with httpx.AsyncClient(base_url=cloud.url, trust_env=False) as stranger:
        answer = await stranger.get("/admin")
        module = await stranger.get("/admin/element.js")
    assert (answer.status_code, answer.content) == (httpx.codes.OK, ASSETS["index.html"].body)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-cache")
    assert module.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in module.headers


async def test_without_an_admin_key_there_is_no_page(cloud: Cloud, start_cloud: StartCloud) -> None:
    users = tuple(key for key in cloud.settings.api_keys if not key.admin)
    async with start_cloud(api_keys=users) as bare:
        answer = await bare.http.get("/admin")
        refused = await bare.http.get("/api/admin/overview")
    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.NOT_FOUND, "not_found")
    assert "API_KEYS" in answer.json()["detail"]
    assert refused.status_code == httpx.codes.FORBIDDEN


async def test_nothing_else_is_served(cloud: Cloud) -> None:
    for name in ("nothing.js", "index.html", "%2e%2e/app.py", "..%2fsettings.py"):
        assert (await cloud.http.get(f"/admin/{name}")).status_code == httpx.codes.NOT_FOUND
    answer = await cloud.http.get("/admin/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (httpx.codes.OK, "/admin")
