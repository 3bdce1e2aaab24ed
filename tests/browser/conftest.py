from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser as AsyncBrowser
from playwright.async_api import BrowserContext, async_playwright
from playwright.async_api import expect as expect_soon
from playwright.sync_api import Browser, expect, sync_playwright

from local.layout import Options
from shared.artifacts import S3Settings
from tests.browser.studio import FLAGS, MANY, SOON, Studio, chromium_path, studio_in
from tests.fixtures_cloud import RunningCloud, running_cloud
from tests.integration.orchestrator.cloud import Cloud, fresh_cloud

for each in (expect, expect_soon):
    each.set_options(timeout=SOON)  # five seconds are little for a busy machine


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    chromium_path()  # skips before a cloud is up
    options = Options(
        state=tmp_path_factory.mktemp("studio"),
        port=0,
        orchestrator={"RETRY_SECONDS": "0.2", "RETRY_SECONDS_MAX": "0.5", "SUBMIT_TRIES": str(MANY)},
    )
    with running_cloud(options) as running:
        yield running


@pytest.fixture(scope="module")
def browser(cloud: RunningCloud) -> Iterator[Browser]:
    """Ends with this file: while Playwright lives, no test of another file could run a loop of its own."""
    del cloud  # only comes before
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS)) as launched,
    ):
        yield launched


@pytest.fixture
def studio(browser: Browser, cloud: RunningCloud) -> Iterator[Studio]:
    with studio_in(browser, cloud) as opened:
        yield opened.open()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orchestrator(new_database: Callable[[], str], seaweed_settings: S3Settings) -> AsyncIterator[Cloud]:
    """An orchestrator alone, over a RunPod that does nothing until a test says so: for what needs no rendering."""
    async with fresh_cloud(new_database, seaweed_settings) as started:
        started.runpod.worker = None
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[AsyncBrowser]:
    """A browser in the loop of its tests."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            yield launched
        finally:
            await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def profile(chromium: AsyncBrowser) -> AsyncIterator[BrowserContext]:
    """Cookies, storage and tabs of one test."""
    context = await chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(SOON)
    try:
        yield context
    finally:
        await context.close()
