"""The studio as a user has it before them: one browser tab on the page of a local cloud."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from local.runpod_gateway.faults import FaultKind
from shared.contracts.vocabulary import Stage
from tests.fixtures_cloud import RunningCloud

TOOLS = Path("scripts/studio")
OUT = Path("out")
FLAGS = (
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # the browser's own questions to the world
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
SOON = 20_000  # milliseconds; for what takes no rendering
RENDERED = 90_000
MANY = 1000
OUTLINED = """element => [element, element.nextElementSibling, element.parentElement].some(
  each => each && getComputedStyle(each).outlineStyle === "solid")"""
"""The element itself, or what stands for it: a hidden radio button has its label's outline."""

PASTE = """([bytes]) => {
  const file = new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" });
  const clipboardData = new DataTransfer();
  clipboardData.items.add(file);
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""
"""What the browser does when somebody pastes a picture."""
WATCHED = """price => {
  globalThis.shownPrices = [];
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(() => shownPrices.push(price.textContent)).observe(price, all);
}"""
"""Keeps every price that was shown, in `shownPrices`."""


def needed(found: str | None, what: str) -> str:
    """Skips without it; in CI that is a failure, so that these tests cannot go missing unseen."""
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{what} is not on PATH")
    return str(found)


def chromium_path() -> str:
    """The headless shell is the same engine for half the CPU (`scripts/ensure_chromium.sh`)."""
    return needed(shutil.which("chromium-headless-shell") or shutil.which("chromium"), "chromium")


def with_node() -> dict[str, str]:
    """An environment in which node and npm are on PATH."""
    found = {**os.environ, "PATH": f"{Path('.venv/bin').absolute()}:{os.environ['PATH']}"}
    missing = subprocess.run(["bash", "scripts/ensure_node.sh"], env=found, timeout=180, check=False).returncode
    needed(None if missing else "node", "node")
    return found


def node_tool(name: str) -> Path:
    """What the lock of `scripts/studio` names, installed on first use, by whichever process of tests comes first."""
    installed = TOOLS / "node_modules" / ".package-lock.json"  # npm writes it last
    with (TOOLS / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=TOOLS, env=with_node(), check=True, timeout=180)
    return TOOLS / "node_modules" / name


class Studio:
    """A tab. `errors` are what a developer would see red in the console."""

    def __init__(self, context: BrowserContext, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SOON)
        self.errors: list[str] = []
        self.urls: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda request: self.urls.append(request.url))

    def open(self) -> "Studio":
        """The page, with the key given."""
        self.page.goto(f"{self.cloud.cloud.facts.api_url}/studio")
        self.page.get_by_label("API key").fill(self.cloud.cloud.facts.api_key)
        self.page.get_by_role("button", name="Open the studio").click()
        expect(self.prompt).to_be_visible(timeout=SOON)
        return self

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label("Prompt", exact=True)

    @property
    def price(self) -> Locator:
        return self.page.locator(".price b")

    def choose(self, group: str, name: str) -> None:
        self.page.get_by_role("group", name=group, exact=True).get_by_role("radio", name=name, exact=True).check()

    def turn(self, name: str, *, on: bool) -> None:
        self.page.get_by_role("switch", name=name).set_checked(on)

    def draft(self) -> None:
        """The smallest and quickest video."""
        self.choose("Resolution", "Draft")
        self.choose("Duration", "1 s")

    def generate(self, prompt: str) -> Locator:
        """Its card."""
        self.prompt.fill(prompt)
        self.page.get_by_role("button", name="Generate").click()
        return self.card(prompt)

    def card(self, prompt: str) -> Locator:
        return self.page.get_by_role("article", name=prompt)

    def generation(self, card: Locator) -> dict[str, Any]:
        """The generation of a card, as the API has it."""
        found = self.cloud.get(str(card.get_attribute("data-id")))
        assert found is not None
        return found

    def shoot(self, name: str) -> None:
        """A picture for people to look at."""
        OUT.mkdir(exist_ok=True)
        self.page.screenshot(path=OUT / f"studio-{name}.png")


def done(card: Locator) -> None:
    expect(card.get_by_text("Done", exact=True)).to_be_visible(timeout=RENDERED)


@contextmanager
def studio_in(browser: Browser, cloud: RunningCloud, **how: Any) -> Iterator[Studio]:
    """A tab in a profile of its own; it fails a test whose page complains in the console."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **how})
    studio = Studio(context, cloud)
    try:
        yield studio
        assert not studio.errors, studio.errors
    finally:
        context.close()


@contextmanager
def fault(cloud: RunningCloud, kind: FaultKind, stage: Stage, **how: Any) -> Iterator[None]:
    """RunPod misbehaves while the block lasts."""
    facts = cloud.cloud.facts
    url, headers = f"{facts.gateway_url}/_admin/faults", {"Authorization": f"Bearer {facts.runpod_key}"}
    body = {"kind": kind, "endpoint": facts.endpoints[stage], **how}
    httpx.post(url, json=body, headers=headers, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(url, headers=headers, trust_env=False).raise_for_status()


def plays(studio: Studio, card: str) -> None:
    video = studio.card(card).locator("video")
    studio.page.wait_for_function("video => video.readyState >= 1", arg=video.element_handle(), timeout=SOON)
    video.evaluate("video => { video.muted = true; return video.play(); }")
    studio.page.wait_for_function("video => video.currentTime > 0.2", arg=video.element_handle(), timeout=SOON)


def pixels(picture: bytes) -> np.ndarray:
    with Image.open(BytesIO(picture)) as opened:
        return np.asarray(ImageOps.fit(opened.convert("RGB"), (64, 36))) / 255.0


def complaints(studio: Studio) -> list[tuple[str, str]]:
    """What axe finds wrong with the page as it stands."""
    if not studio.page.evaluate("'axe' in globalThis"):
        studio.page.evaluate((node_tool("axe-core") / "axe.min.js").read_text())
    found = studio.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(each["id"], node["html"][:200]) for each in found["violations"] for node in each["nodes"]]


def tab_to(studio: Studio, target: Locator) -> None:
    """By the Tab key alone, and visibly so."""
    for _ in range(30):
        studio.page.keyboard.press("Tab")
        if target.evaluate("element => element === element.getRootNode().activeElement"):
            break
    expect(target).to_be_focused()
    assert target.evaluate(OUTLINED), "the focus can be seen"
