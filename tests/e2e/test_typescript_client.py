"""clients/typescript and its Express example by Node's own test runner: alone, and against a real orchestrator."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright

from local.picture import lighthouse
from tests.browser.studio import FLAGS, chromium_path
from tests.fixtures_cloud import RunningCloud

ROOT = Path(__file__).parents[2]
SECONDS = 240


def script(name: str, *arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One of the npm scripts; its dependencies are there afterwards, as the lock file says."""
    kept = {each: os.environ[each] for each in os.environ if not each.lower().endswith("_proxy")}
    return subprocess.run(
        ["bash", str(ROOT / "scripts/client.sh"), name, *arguments],
        env={**kept, **(extra or {})},
        check=False,
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    found = subprocess.run(
        ["bash", str(ROOT / "scripts/ensure_node.sh")],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=False,
        timeout=SECONDS,
        capture_output=True,
        text=True,
    )
    if found.returncode and os.environ.get("CI", "").lower() not in {"1", "true"}:
        pytest.skip(f"there is no Node, and it cannot be had: {found.stderr.strip()[-300:]}")
    assert found.returncode == 0, found.stderr
    built = script("build")
    assert built.returncode == 0, built.stdout


def passed(done: subprocess.CompletedProcess[str], least: int) -> None:
    """At least so many tests ran, and every one passed."""
    counts = {
        word: int(count) for word, count in re.findall(r"^\S+ (tests|pass|skipped) (\d+)$", done.stdout, re.MULTILINE)
    }
    assert done.returncode == 0, done.stdout
    assert counts == {"tests": counts["tests"], "pass": counts["tests"], "skipped": 0}, done.stdout
    assert counts["tests"] >= least, done.stdout


def test_the_types_follow_from_the_document(tmp_path: Path) -> None:
    done = script("generate", str(tmp_path / "api.ts"))
    assert done.returncode == 0, done.stdout
    written = (ROOT / "clients/typescript/src/api.ts").read_text()
    assert (tmp_path / "api.ts").read_text() == written, "clients/typescript/src/api.ts is old; run `make docs`"


def test_the_client_and_the_example_alone() -> None:
    passed(script("test"), 75)


def test_the_client_and_the_example_against_the_local_cloud(cloud: RunningCloud, tmp_path: Path) -> None:
    facts = cloud.cloud.facts
    (tmp_path / "image.png").write_bytes(lighthouse())
    extra = {
        "LTX2_URL": facts.api_url,
        "LTX2_API_KEY": facts.api_key,
        "LTX2_WEBHOOK_SECRET": facts.webhook_secret,
        "LTX2_IMAGE": str(tmp_path / "image.png"),
    }
    passed(script("test:cloud", extra=extra), 7)


IN_PAGE = """async ({ key, picture }) => {
  const { Ltx2Client, verifyWebhook } = await import("/client/index.js");
  const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
  const sockets = [];
  class WebSocket extends globalThis.WebSocket {
    constructor(...given) { super(...given); sockets.push(given[0]); }
  }
  const client = new Ltx2Client({ baseUrl: "", apiKey: key, WebSocket });
  const told = [];
  const onProgress = ({ sentBytes, totalBytes }) => told.push(sentBytes / totalBytes);
  const upload_id = await client.upload(new Blob([bytes], { type: "image/png" }), { onProgress });
  const wish = { prompt: "a lighthouse", resolution: "draft", duration: 1, spatial_upscale: false, upload_id };
  const made = await client.create(wish);
  const events = [];
  for await (const event of client.follow(made.id)) events.push(event);
  const headers = { "webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,aaaa" };
  const doubted = await verifyWebhook({ secrets: ["whsec_YWFhYQ=="], headers, body: "{}", now: () => 1000 })
    .then(() => "believed", (error) => error.message);
  return { seqs: events.map(({ seq }) => seq), last: events.at(-1).type, uploaded: told.at(-1), sockets, doubted };
}"""


async def open_client(page: Page, url: str) -> None:
    """A page of the orchestrator's own origin, with the client's modules beside it.

    Its document really comes from there: a made-up one belongs to no network, and may not ask for loopback addresses.
    """
    modules = ROOT / "clients/typescript/dist/src"

    async def give(route: Route) -> None:
        await route.fulfill(path=modules / route.request.url.rpartition("/")[2])

    await page.route(f"{url}/client/*", give)
    await page.goto(f"{url}/healthz")


async def test_the_client_in_a_browser(cloud: RunningCloud) -> None:
    """What Node has not: a WebSocket of its own, and an upload by XMLHttpRequest."""
    facts = cloud.cloud.facts
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            page = await browser.new_page()
            await open_client(page, facts.api_url)
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            given = {"key": facts.api_key, "picture": b64encode(lighthouse()).decode()}
            found = await page.evaluate(IN_PAGE, given)
        finally:
            await browser.close()
    assert found["seqs"] == list(range(1, len(found["seqs"]) + 1))
    assert found["last"] == "generation.succeeded"
    assert found["uploaded"] == 1
    assert found["sockets"]
    assert not [url for url in asked if url.endswith("/events")], "no socket opened"
    assert found["doubted"] == "no signature of the webhook fits"
