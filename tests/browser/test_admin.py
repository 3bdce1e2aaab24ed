"""The operator's page in a real browser, over an orchestrator whose RunPod does as it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.studio import OUT, node_tool
from tests.integration.orchestrator.cloud import ADMIN_KEY, KEY, Cloud
from tests.integration.orchestrator.test_orchestrator_faults import script

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "a secret garden behind the wall"
AXE = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(({id}) => id))"
PAST = """UPDATE stage_runs SET created_at = at, submitted_at = at + waited, started_at = at + waited + queued,
finished_at = at + waited + queued + ran FROM (SELECT now() - make_interval(secs => %s) AS at,
make_interval(secs => %s) AS waited, make_interval(secs => %s) AS queued, make_interval(secs => %s) AS ran) AS given
WHERE id = %s"""
WORDS = [(None, "\N{EN DASH}"), (0, "0 s"), (9.94, "9.9 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")]


@dataclass(frozen=True)
class Made:
    """Ids of generations: one that became a video, one that failed at its second stage, one that waits."""

    good: str
    bad: str
    waiting: str


async def aged(cloud: Cloud, generation_id: str, *runs: tuple[float, float, float]) -> None:
    """As if its runs, until a minute ago, had waited for us, waited for a worker, and run for so many seconds."""
    found = await cloud.rows("SELECT id FROM stage_runs WHERE generation_id = %s ORDER BY number", generation_id)
    begin = 60 + sum(map(sum, runs))
    await cloud.rows(
        "UPDATE generations SET created_at = now() - make_interval(secs => %s), finished_at = now() - interval '60 s'"
        " WHERE id = %s",
        begin,
        generation_id,
    )
    for (run_id,), run in zip(found, runs, strict=True):
        await cloud.rows(PAST, begin, *run, run_id)
        begin -= sum(run)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(orchestrator: Cloud) -> Made:
    script(orchestrator, None)
    good = await orchestrator.ended((await orchestrator.create(prompt=PROMPT, temporal_upscale=True))["id"])
    script(orchestrator, None, "worker_lost", "out_of_memory", "worker_lost")
    bad = await orchestrator.ended((await orchestrator.create(prompt=PROMPT, quality="pro", detailer=True))["id"])
    assert (good["state"], bad["state"]) == ("succeeded", "failed")
    orchestrator.runpod.worker = None
    waiting = await orchestrator.create(prompt=PROMPT)
    await orchestrator.seen(waiting["id"], "submitted")
    await aged(orchestrator, good["id"], (0.3, 31, 19), (0.2, 0.6, 67), (0.2, 44, 21))
    await aged(orchestrator, bad["id"], (0.3, 3, 81), (0.2, 5, 67), (4, 12, 30), (9, 140, 88))
    return Made(good["id"], bad["id"], waiting["id"])


@asynccontextmanager
async def opened(profile: BrowserContext, cloud: Cloud, place: str = "", key: str = ADMIN_KEY) -> AsyncIterator[Page]:
    """The page with a key; it fails a test in which it, or its policy, complains in the console."""
    page = await profile.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: errors.append(asked.url) if not asked.url.startswith(cloud.url) else None)
    await page.goto(f"{cloud.url}/admin{place}")
    await enter(page, key)
    yield page
    own = "Failed to load resource"  # a test has arranged for that answer
    assert [error for error in errors if not error.startswith(own)] == []


async def enter(page: Page, key: str) -> None:
    await page.get_by_label("Admin key").fill(key)
    await page.get_by_role("button", name="Open").click()


async def looked_at(page: Page, name: str, scheme: str, width: int) -> None:
    """Nothing beyond the edge, no complaint of axe, and a picture for people."""
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": width, "height": 900})
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    if width > 1000:  # a phone has the same words and colours
        await page.evaluate((node_tool("axe-core") / "axe.min.js").read_text())
        assert await page.evaluate(AXE) == []
    OUT.mkdir(exist_ok=True)
    await page.screenshot(path=OUT / f"admin-{name}-{scheme}-{width}.png", full_page=True)


async def test_only_an_admin_key_opens_it_and_it_stays_in_its_tab(profile: BrowserContext, orchestrator: Cloud) -> None:
    async with opened(profile, orchestrator, key="wrong") as page:
        await expect(page.get_by_role("alert")).to_have_text("This key is not known here.")
        await enter(page, KEY)
        await expect(page.get_by_role("alert")).to_have_text("This is no admin key.")
        await enter(page, ADMIN_KEY)
        await expect(page.get_by_role("heading", name="Stages")).to_be_visible()
        assert ADMIN_KEY not in page.url + await page.evaluate("JSON.stringify(localStorage) + document.cookie")
        await page.reload()
        await expect(page.get_by_role("heading", name="Stages")).to_be_visible()
        await page.get_by_role("button", name="Forget key").click()
        await expect(page.get_by_label("Admin key")).to_be_visible()
        assert ADMIN_KEY not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_from_the_overview_to_the_timeline_of_a_failure(
    profile: BrowserContext, orchestrator: Cloud, made: Made
) -> None:
    async with opened(profile, orchestrator) as page:
        base = page.get_by_role("article", name="Base")
        await expect(base.locator(".queue div", has_text="In the queue").locator(".figure")).to_have_text("1")
        await expect(base).to_contain_text("1 idle")
        await expect(page.get_by_role("link", name=made.waiting[:8])).to_be_visible()
        await page.get_by_role("link", name="Succeeded", exact=True).click()
        await expect(page.get_by_role("link", name=made.good[:8])).to_be_visible()
        await looked_at(page, "overview", "light", 1280)
        await looked_at(page, "overview", "dark", 390)

        await page.get_by_role("link", name="out_of_memory").first.click()
        failures = page.get_by_role("region", name="Newest failed stage runs").locator("tbody tr")
        await expect(failures).to_have_count(1)
        await failures.get_by_role("link", name=made.bad[:8]).click()
        assert page.url.endswith(f"#generation={made.bad}")
        bars = page.get_by_role("img")
        await expect(bars).to_have_count(4)
        await expect(page.get_by_role("img", name="Spatial upscaler, attempt 3, failed")).to_have_accessible_name(
            "Spatial upscaler, attempt 3, failed: waited for us 9.0 s, waited for a worker 2 min 20 s, ran 1 min 28 s"
        )
        run = page.get_by_role("group").filter(has_text="attempt 2")
        await expect(run).to_contain_text("out_of_memory")
        [(runpod_id,)] = await orchestrator.rows(
            "SELECT runpod_id FROM stage_runs WHERE generation_id = %s AND attempt = 2", made.bad
        )
        await expect(run).to_contain_text(runpod_id)
        await expect(page.get_by_text("3 min 5 s in vain")).to_be_visible()
        assert PROMPT not in await page.content()
        await looked_at(page, "generation", "dark", 1280)
        await looked_at(page, "generation", "light", 390)
        await page.reload()
        await expect(bars).to_have_count(4)
        said = "(counts) => import('/admin/words.js').then(({ seconds }) => counts.map(seconds))"
        assert await page.evaluate(said, [count for count, _ in WORDS]) == [words for _, words in WORDS]


async def test_it_says_when_nobody_answers_and_goes_on_by_itself(
    profile: BrowserContext, orchestrator: Cloud, made: Made
) -> None:
    async with opened(profile, orchestrator, f"#generation={made.waiting}") as page:
        await expect(page.get_by_role("img", name="Base, attempt 1, submitted now")).to_be_visible()
        await profile.set_offline(True)
        await expect(page.get_by_text("The server does not answer.")).to_be_visible()
        await expect(page.get_by_text("Stale")).to_be_visible(timeout=60_000)  # after a quarter of a minute
        await profile.set_offline(False)
        await orchestrator.http.delete(f"/api/generations/{made.waiting}")
        await expect(page.get_by_text("The server does not answer.")).to_be_hidden()
        await expect(page.get_by_role("heading", name=made.waiting)).to_contain_text("canceled")
        await expect(page.get_by_text("Nothing changes any more")).to_be_visible()
