"""The studio page in a real browser, against one whole local cloud."""

import json
import os
import re
import subprocess
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from local.picture import lighthouse
from local.runpod_gateway.faults import FaultKind
from shared.contracts.vocabulary import Stage
from tests.browser.studio import (
    MANY,
    PASTE,
    RENDERED,
    WATCHED,
    Studio,
    complaints,
    done,
    fault,
    pixels,
    plays,
    studio_in,
    tab_to,
)
from tests.fixtures_cloud import RunningCloud, likeness

BASE, SPATIAL, _TEMPORAL = Stage
SMOOTH = "256 \N{MULTIPLICATION SIGN} 144 · 48 fps · 1 s"


def test_text_becomes_a_playing_video_through_both_upscalers_and_a_reload(studio: Studio) -> None:
    studio.draft()
    studio.turn("Temporal upscaler", on=True)
    with fault(studio.cloud, FaultKind.REFUSE_RUN, SPATIAL, count=MANY, status=503):
        card = studio.generate("a lighthouse, the beam sweeps the fog")
        stages = card.get_by_role("list", name="Stages").get_by_role("listitem")
        expect(stages.nth(0)).to_contain_text("done", timeout=60_000)
        expect(stages.nth(1)).to_contain_text("waiting for a machine")
        expect(stages.nth(2)).to_have_text("Temporal upscaler")
        expect(card.locator(".overall")).to_contain_text(re.compile(r"\d %.*(left|longer|moment)"))
        studio.shoot("running")
        studio.page.reload()
        expect(stages.nth(0)).to_contain_text("done")
        expect(stages.nth(1)).to_contain_text("waiting for a machine")
    done(card)
    plays(studio, "a lighthouse, the beam sweeps the fog")
    expect(card).to_contain_text(SMOOTH)
    expect(card).to_contain_text(f"seed {studio.generation(card)['seed']}")
    link = str(card.get_by_role("link", name="Download").get_attribute("href"))
    assert "response-content-disposition=attachment" in link
    assert httpx.get(link, trust_env=False).headers["content-type"] == "video/mp4"
    studio.shoot("done")
    assert complaints(studio) == []
    studio.page.route("**/videos/*/*.mp4?*", lambda route: route.fulfill(status=403), times=1)  # its URL has expired
    studio.page.reload()
    plays(studio, "a lighthouse, the beam sweeps the fog")
    assert [error for error in studio.errors if "403" not in error] == []
    studio.errors.clear()


def test_a_pasted_image_becomes_a_video(studio: Studio) -> None:
    studio.draft()
    studio.turn("Spatial upscaler", on=False)
    studio.page.evaluate(PASTE, [list(lighthouse())])
    picture = studio.page.get_by_role("img", name="Preview of picture.png")
    expect(picture).to_be_visible()
    expect(studio.page.get_by_text("Fits 16:9 as it is.").or_(studio.page.get_by_text("Cut to 16:9"))).to_be_visible()
    expect(studio.page.get_by_text("Sending")).to_be_hidden()
    picture.scroll_into_view_if_needed()
    studio.shoot("image")
    card = studio.generate("the sun sets behind the lighthouse")
    expect(card).to_contain_text("From an image")
    done(card)
    plays(studio, "the sun sets behind the lighthouse")
    poster = httpx.get(studio.generation(card)["result"]["poster_url"], trust_env=False).content
    assert likeness(pixels(poster), pixels(lighthouse())) > 0.7


def test_the_price_is_the_tables_for_every_choice(studio: Studio) -> None:
    card = studio.cloud.api.get("/api/models").json()["models"][0]
    for price in card["credits"]:
        studio.choose("Quality", price["quality"].capitalize())
        studio.choose("Resolution", price["resolution"])
        studio.choose("Duration", f"{price['duration']} s")
        expect(studio.price).to_have_text(f"{price['credits']} credits")


def test_a_late_price_never_replaces_a_newer_one(studio: Studio) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route) if not held else route.continue_()

    expect(studio.price).to_have_text("30 credits")
    studio.price.evaluate(WATCHED)
    studio.page.route("**/api/quotes", hold)
    with studio.page.expect_request("**/api/quotes"):
        studio.choose("Quality", "Pro")
    studio.choose("Resolution", "1080p")
    expect(studio.price).to_have_text("60 credits")
    held[0].fulfill(json={"quotes": [{"credits": 7, "estimated_seconds": 1}], "credits": 7})
    studio.choose("Duration", "20 s")
    expect(studio.price).to_have_text("120 credits")
    assert "7 credits" not in studio.page.evaluate("shownPrices")


def test_cancel_gives_the_credits_back(studio: Studio) -> None:
    with fault(studio.cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503):
        card = studio.generate("a train in the snow")
        card.get_by_role("button", name="Cancel").click()
        expect(card).to_contain_text("All 30 credits came back.")
    assert studio.generation(card)["state"] == "canceled"


def test_a_failure_says_what_to_do_and_that_the_credits_came_back(studio: Studio) -> None:
    studio.choose("Quality", "Pro")
    with fault(studio.cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=400):
        card = studio.generate("a city in the rain")
        expect(card.get_by_text("Failed", exact=True)).to_be_visible()
    expect(card).to_contain_text("All 45 credits came back.")
    expect(card).to_contain_text("This is a mistake on our side")
    expect(card).to_contain_text("internal")
    studio.shoot("failed")
    assert complaints(studio) == []
    studio.page.emulate_media(color_scheme="dark")
    assert complaints(studio) == []
    studio.page.reload()
    expect(card).to_contain_text("All 45 credits came back.")
    with fault(studio.cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503):
        card.get_by_role("button", name="Try again").click()
        expect(studio.card("a city in the rain")).to_have_count(2)
        studio.card("a city in the rain").first.get_by_role("button", name="Cancel").click()
        expect(studio.card("a city in the rain").first).to_contain_text("Canceled")


def test_the_same_video_smoother_reuses_what_is_made(studio: Studio) -> None:
    studio.draft()
    studio.turn("Spatial upscaler", on=False)
    first = studio.generate("a kite over the dunes")
    done(first)
    seed = studio.generation(first)["seed"]
    first.get_by_role("button", name="Same video, smoother (48 fps)").click()
    second = studio.card("a kite over the dunes").first
    expect(second).to_contain_text(SMOOTH, timeout=RENDERED)
    expect(second).to_contain_text(f"seed {seed}")
    assert studio.generation(second)["stages"][0]["reused"]

    studio.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    second.get_by_role("button", name="Copy as JSON").click()
    expect(second).to_contain_text("Copied as JSON.")
    copied = json.loads(studio.page.evaluate("navigator.clipboard.readText()"))
    assert (copied["seed"], copied["temporal_upscale"]) == (seed, True)
    second.get_by_role("button", name="Copy as curl").click()
    expect(second).to_contain_text("Copied as curl.")
    line = studio.page.evaluate("navigator.clipboard.readText()")
    assert studio.cloud.cloud.facts.api_key not in line
    key = {"LTX2_KEY": studio.cloud.cloud.facts.api_key, "PATH": os.environ["PATH"]}
    ran = subprocess.run(["bash", "-c", line], env=key, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stdout)["seed"] == seed, "the command line does what it says"

    with fault(studio.cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503):
        second.get_by_role("button", name="Again with another seed").click()
        other = studio.card("a kite over the dunes").first
        expect(other.get_by_role("button", name="Cancel")).to_be_visible()
        assert studio.generation(other)["seed"] != seed
        other.get_by_role("button", name="Cancel").click()
        expect(other).to_contain_text("It cost nothing.")


def test_what_is_impossible_is_disabled_and_says_why(studio: Studio) -> None:
    page = studio.page
    studio.choose("Camera", "Dolly in")
    page.get_by_text("Advanced", exact=True).click()
    expect(page.get_by_label("Steps")).to_be_disabled()
    expect(page.get_by_text("Only Pro takes steps.")).to_be_visible()
    studio.choose("Control", "Depth")
    expect(page.get_by_role("radio", name="Static")).to_be_checked()
    expect(page.get_by_role("radio", name="Dolly in")).to_be_disabled()
    expect(page.get_by_text("a control video fixes the camera already").last).to_be_visible()
    expect(page.get_by_role("radio", name="The image itself")).to_be_disabled()
    expect(page.get_by_text("there is no image to take the control from")).to_be_visible()
    studio.prompt.fill("a dancer")
    expect(page.get_by_text("Choose a reference video for the control, or the image itself.")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()
    studio.choose("Quality", "Pro")
    expect(page.get_by_label("Steps")).to_be_enabled()
    page.get_by_label("Steps").fill("99")
    studio.choose("Control", "None")
    expect(page.get_by_text("Steps goes from 20 to 40.")).to_be_visible()
    expect(page.locator(".price")).to_have_attribute("aria-busy", "false")  # nobody was asked what 99 steps cost


def test_the_keyboard_is_enough(browser: Browser, cloud: RunningCloud) -> None:
    with studio_in(browser, cloud) as studio, fault(cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503):
        page, keyboard = studio.page, studio.page.keyboard
        page.goto(f"{cloud.cloud.facts.api_url}/studio")
        expect(page.get_by_label("API key")).to_be_visible()
        keyboard.press("Tab")
        keyboard.type(cloud.cloud.facts.api_key)
        keyboard.press("Enter")
        expect(studio.prompt).to_be_visible()
        tab_to(studio, studio.prompt)
        keyboard.type("a fox in the snow")
        tab_to(studio, page.get_by_role("radio", name="Fast"))
        keyboard.press("ArrowRight")
        expect(page.get_by_role("radio", name="Pro")).to_be_checked()
        tab_to(studio, page.get_by_role("switch", name="Temporal upscaler"))
        keyboard.press("Space")
        expect(studio.price).to_have_text("45 credits")
        tab_to(studio, page.get_by_role("button", name="Generate"))
        keyboard.press("Enter")
        card = studio.card("a fox in the snow")
        expect(card.get_by_role("list", name="Stages").get_by_role("listitem")).to_have_count(3)
        tab_to(studio, card.get_by_role("button", name="Cancel"))
        keyboard.press("Enter")
        expect(card).to_contain_text("All 45 credits came back.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, cloud: RunningCloud, theme: Literal["light", "dark"]) -> None:
    with (
        studio_in(browser, cloud, color_scheme=theme) as studio,
        fault(cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503),
        fault(cloud, FaultKind.REFUSE_RUN, SPATIAL, count=MANY, status=503),
    ):
        studio.page.goto(f"{cloud.cloud.facts.api_url}/studio")
        expect(studio.page.get_by_label("API key")).to_be_visible()
        assert complaints(studio) == []
        studio.open()
        card = studio.generate(f"axe in {theme}")
        expect(card).to_contain_text("waiting for a machine")
        studio.page.get_by_text("Advanced", exact=True).click()
        studio.choose("Control", "Pose")
        assert complaints(studio) == []
        studio.shoot(f"form-{theme}")
        card.get_by_role("button", name="Cancel").click()
        expect(card).to_contain_text("All 30 credits came back.")
        assert complaints(studio) == []


@pytest.mark.parametrize(("name", "width", "height"), [("phone", 360, 740), ("4k", 3840, 2160)])
def test_every_size_fits(browser: Browser, cloud: RunningCloud, name: str, width: int, height: int) -> None:
    with studio_in(browser, cloud, viewport={"width": width, "height": height}) as studio:
        studio.open()
        studio.page.get_by_text("Advanced", exact=True).click()
        assert studio.page.evaluate("document.documentElement.scrollWidth") <= width
        studio.shoot(name)


def test_offline_is_shown_and_recovers(studio: Studio) -> None:
    studio.page.context.set_offline(True)
    expect(studio.page.get_by_text("You are offline.")).to_be_visible()
    studio.page.context.set_offline(False)
    expect(studio.page.get_by_text("You are offline.")).to_be_hidden()
    assert [error for error in studio.errors if "ERR_INTERNET_DISCONNECTED" not in error] == []
    studio.errors.clear()


def test_two_tabs_agree(studio: Studio) -> None:
    other = Studio(studio.page.context, studio.cloud).open()
    with fault(studio.cloud, FaultKind.REFUSE_RUN, BASE, count=MANY, status=503):
        card = studio.generate("seen in two tabs")
        expect(other.card("seen in two tabs")).to_contain_text("waiting for a machine")
        other.card("seen in two tabs").get_by_role("button", name="Cancel").click()
        expect(card).to_contain_text("All 30 credits came back.")
    assert other.errors == []


def test_the_key_stays_in_its_tab_and_nothing_is_asked_of_others(studio: Studio) -> None:
    facts, page = studio.cloud.cloud.facts, studio.page
    key = facts.api_key
    assert not [url for url in studio.urls if key in url]
    api, bucket = f"{facts.api_url}/", f"{facts.s3['S3_ENDPOINT_URL']}/{facts.s3['S3_BUCKET']}/"
    assert [url for url in studio.urls if url.startswith(api)]
    # From the bucket come the posters and videos of what other tests have made on this cloud.
    assert [url for url in studio.urls if not url.startswith((api, bucket))] == []
    assert key not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    page.reload()
    expect(studio.prompt).to_be_visible()
    page.get_by_role("button", name="Forget the key").click()
    assert key not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    page.get_by_label("API key").fill("not a key")
    studio.errors.clear()
    page.get_by_role("button", name="Open the studio").click()
    expect(page.get_by_text("This key is not known here.")).to_be_visible()
    assert [error for error in studio.errors if "401" not in error] == []
    studio.errors.clear()
