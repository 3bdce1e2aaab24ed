import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from local.layout import Options
from tests.browser.studio import FLAGS, MANY, Studio, needed, studio_in
from tests.fixtures_cloud import RunningCloud, running_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    needed(shutil.which("chromium"), "chromium")
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
    with sync_playwright() as playwright:
        path = needed(shutil.which("chromium"), "chromium")
        with playwright.chromium.launch(executable_path=path, args=list(FLAGS)) as launched:
            yield launched


@pytest.fixture
def studio(browser: Browser, cloud: RunningCloud) -> Iterator[Studio]:
    with studio_in(browser, cloud) as opened:
        yield opened.open()
