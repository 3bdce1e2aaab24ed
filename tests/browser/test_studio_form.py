"""What the page asks for, in a real browser, from an orchestrator whose RunPod renders nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import BrowserContext, Page, expect
from playwright.async_api import Route as PageRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from local.picture import lighthouse
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import ControlType
from tests.browser.studio import OUT
from tests.integration.orchestrator.cloud import KEY, OTHER_KEY, Cloud, replica
from tests.integration.orchestrator.scripted_runpod import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALK = Path(__file__).with_name("walk.js").read_text()


@asynccontextmanager
async def opened(profile: BrowserContext, orchestrator: Cloud, key: str) -> AsyncIterator[Page]:
    """The page with a key; it fails a test in which it complains in the console."""
    page = await profile.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    own = "Failed to load resource"  # a test has arranged for that answer
    await page.goto(f"{orchestrator.url}/studio")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Open the studio").click()
    await expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    yield page
    assert [error for error in errors if not error.startswith(own)] == []


@pytest_asyncio.fixture(loop_scope="module")
async def page(profile: BrowserContext, orchestrator: Cloud) -> AsyncIterator[Page]:
    async with opened(profile, orchestrator, KEY) as shown:
        yield shown


async def generated(page: Page, prompt: str) -> dict[str, Any]:
    """Press the button; the body that was sent."""
    await page.get_by_label("Prompt", exact=True).fill(prompt)
    await expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    async with page.expect_request(lambda asked: asked.method == "POST" and asked.url.endswith("/generations")) as sent:
        await page.get_by_role("button", name="Generate").click()
    await expect(page.get_by_role("article", name=prompt)).to_be_visible()
    body = (await sent.value).post_data_json
    assert isinstance(body, dict)
    return body


async def test_whatever_is_chosen_the_request_is_legal(page: Page) -> None:
    bodies = [body for seed in (1, 2, 3) for body in await page.evaluate(WALK, [seed, KEY])]
    assert {each["control"]["type"] for each in bodies if "control" in each} == set(ControlType)
    for body in bodies:
        GenerationRequest.model_validate(body, context={"allow_draft": True})


async def drawn(path: Path, *, seconds: int) -> Path:
    """A small video."""
    source = ("-f", "lavfi", "-i", f"testsrc=size=320x180:rate=24:duration={seconds}", "-pix_fmt", "yuv420p")
    process = await asyncio.create_subprocess_exec("ffmpeg", "-v", "error", *source, str(path))
    assert await process.wait() == 0
    return path


async def test_a_control_by_a_reference_video_or_by_the_image_itself(page: Page, tmp_path: Path) -> None:
    clip = await drawn(tmp_path / "walk.mp4", seconds=1)
    await page.get_by_text("Advanced", exact=True).click()
    control = page.get_by_role("group", name="Control", exact=True)
    await control.get_by_role("radio", name="Pose").check()
    await page.get_by_label("Choose a reference video").set_input_files(clip)
    await page.get_by_role("switch", name="Already a map").check()
    body = await generated(page, "a walk by a video")
    assert body["control"].keys() == {"type", "upload_id", "preprocessed", "strength"}
    assert (body["control"]["type"], body["control"]["preprocessed"]) == ("pose", True)

    await page.get_by_label("Choose an image").set_input_files(
        {"name": "picture.png", "mimeType": "image/png", "buffer": lighthouse()}
    )
    await page.get_by_role("radio", name="The image itself").check()
    body = await generated(page, "a walk by a picture")
    assert (body["control"]["source"], "upload_id" in body["control"]) == ("image", False)
    await page.get_by_role("button", name="Remove the image").click()
    await expect(page.get_by_role("radio", name="A video")).to_be_checked()


DROP = """([name, type, bytes]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const target = document.querySelector("ltx2-studio").shadowRoot.querySelector(".form");
  target.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true, composed: true }));
}"""


def square() -> bytes:
    held = BytesIO()
    Image.new("RGB", (400, 400), "teal").save(held, "PNG")
    return held.getvalue()


async def test_a_dropped_image_is_shown_as_it_will_be_cut(page: Page) -> None:
    await page.evaluate(DROP, ["square.png", "image/png", list(square())])
    await expect(page.get_by_role("img", name="Preview of square.png")).to_be_visible()
    await expect(page.get_by_text("what is dimmed above and below is left out")).to_be_visible()
    assert "upload_id" in await generated(page, "from a drop")


async def test_a_file_that_will_be_refused_is_not_sent(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if "uploads" in asked.url else None)
    await page.evaluate(DROP, ["moving.gif", "image/gif", [71, 73, 70]])
    await expect(page.get_by_text("This is no image that can be used")).to_contain_text("png")
    assert sent == []
    await page.evaluate(DROP, ["broken.png", "image/png", [1, 2, 3]])
    await expect(page.get_by_text("This image cannot be read; it may be damaged.")).to_be_visible()


async def test_an_answer_that_is_lost_on_its_way_starts_nothing_twice(page: Page, orchestrator: Cloud) -> None:
    lost: list[str] = []

    async def lose_first(route: PageRoute) -> None:
        if route.request.method != "POST" or lost:
            await route.continue_()
            return
        made = await route.fetch()
        lost.append((await made.json())["id"])
        await route.fulfill(status=503, headers={"Retry-After": "1"}, body="the proxy lost it")

    await page.route("**/api/generations", lose_first)
    await generated(page, "once, and once only")
    made = await page.get_by_role("article", name="once, and once only").get_attribute("data-id")
    newest = (await orchestrator.http.get("/api/generations?limit=2")).json()["generations"]
    assert [made] == lost
    assert newest[0]["id"] == made


async def test_a_refusal_says_what_to_do_and_takes_nothing(page: Page) -> None:
    problem = {"code": "too_many_in_flight", "detail": "at most 2 generations may be under way", "retryable": False}
    await page.route("**/api/generations", lambda route: route.fulfill(status=429, json=problem))
    await page.get_by_label("Prompt", exact=True).fill("one too many")
    await page.get_by_role("button", name="Generate").click()
    said = page.get_by_role("alert")
    await expect(said).to_contain_text("At most 2 generations may be under way.")
    await expect(said).to_contain_text("Wait until one of your videos is done, or cancel one.")
    await expect(said).to_contain_text("No credits were taken.")


async def test_a_silent_server_is_told_and_waited_for(page: Page) -> None:
    await page.route("**/api/**", lambda route: route.abort())
    await page.get_by_role("radio", name="Pro").check()
    await expect(page.get_by_text("The server does not answer.")).to_be_visible()
    await page.unroute("**/api/**")
    await expect(page.get_by_text("The server does not answer.")).to_be_hidden(timeout=60_000)
    await expect(page.locator(".price b")).to_have_text("45 credits")


async def test_history_goes_back_page_by_page(profile: BrowserContext, orchestrator: Cloud) -> None:
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}  # nobody else makes videos with it
    for number in range(3):
        tasks = {"tasks": [{"prompt": f"video {number}.{index}"} for index in range(5)]}
        (await orchestrator.http.post("/api/generations", json=tasks, headers=theirs)).raise_for_status()
    async with opened(profile, orchestrator, OTHER_KEY) as page:
        cards = page.get_by_role("article")
        await expect(cards).to_have_count(12)
        await page.get_by_role("button", name="Show older ones").click()
        await expect(cards).to_have_count(15)
        await expect(page.get_by_role("button", name="Show older ones")).to_be_hidden()
        await expect(cards.first).to_contain_text("A video made elsewhere")


async def test_settings_of_a_video_go_back_into_the_form(page: Page) -> None:
    await page.get_by_role("radio", name="Pro").check()
    await page.get_by_role("radio", name="Jib up").check()
    await page.get_by_role("switch", name="Detailer").check()
    await generated(page, "a mill")
    card = page.get_by_role("article", name="a mill")
    await card.get_by_role("button", name="Cancel").click()
    await page.get_by_role("radio", name="Fast").check()
    await page.get_by_role("radio", name="Static").check()
    await page.get_by_label("Prompt", exact=True).fill("")
    await card.get_by_role("button", name="Into the form").click()
    for chosen in (page.get_by_role("radio", name="Pro"), page.get_by_role("radio", name="Jib up")):
        await expect(chosen).to_be_checked()
    await expect(page.get_by_role("switch", name="Detailer")).to_be_checked()
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("a mill")
    await page.reload()
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("a mill")


async def test_the_model_stands_in_mivos_order(page: Page) -> None:
    options = page.get_by_label("Model", exact=True).locator("option")
    assert await options.all_inner_texts() == ["Seedance 1.5 Pro (not available here)", "LTX-2"]
    await expect(options.first).to_be_disabled()


async def test_nothing_moves_for_those_who_want_it_so(page: Page) -> None:
    moving = """() => document.querySelector("ltx2-studio").shadowRoot.getAnimations({ subtree: true }).length"""
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate(moving) > 0
    await page.emulate_media(reduced_motion="reduce")
    assert await page.evaluate(moving) == 0


async def test_the_early_look_plays_while_the_upscaling_goes_on(
    page: Page, orchestrator: Cloud, tmp_path: Path
) -> None:
    clip = await drawn(tmp_path / "look.mp4", seconds=2)
    await generated(page, "seen early")
    card = page.get_by_role("article", name="seen early")
    made = str(await card.get_attribute("data-id"))
    look = orchestrator.store.upload(
        clip, f"videos/{made}-look.mp4", media_type="video/mp4", width=320, height=180, frames=48, fps=24, seconds=2.0
    )
    async with replica(orchestrator.database_url) as other:
        await other.advance.show_early_look(made, look)
    video = card.get_by_label("Early look")
    await expect(video).to_be_visible()
    await page.wait_for_function("video => video.currentTime > 0.2", arg=await video.element_handle())
    await expect(card.get_by_role("button", name="Cancel")).to_be_visible()
    await page.screenshot(path=OUT / "studio-early-look.png")


SESSION = "user-7"
KEPT = ("content-type", "idempotency-key")


def mivo(orchestrator: Cloud, client: httpx.AsyncClient, seen: list[Request]) -> Starlette:
    """Mivo's backend as far as the element needs one: a page, and the API for whoever has the cookie."""

    async def shown(_: Request) -> Response:
        page = HTMLResponse(
            f'<!doctype html><html lang="en"><title>Mivo</title><main><h1>Mivo</h1>'
            f'<script type="module" src="{orchestrator.url}/studio/element.js"></script>'
            f'<ltx2-studio base-url="/" theme="dark" models="Veo 3, Seedance 1.5 Pro, Kling 2.6"></ltx2-studio></main>'
        )
        page.set_cookie("session", SESSION, httponly=True, samesite="strict")
        return page

    async def passed_on(request: Request) -> Response:
        seen.append(request)
        if request.cookies.get("session") != SESSION:
            return Response(status_code=401)
        kept = {name: request.headers[name] for name in KEPT if name in request.headers}
        answer = await client.request(
            request.method,
            request.url.path,
            params=request.query_params,
            content=await request.body(),
            headers={**kept, "Authorization": f"Bearer {KEY}"},
        )
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    methods = ["GET", "POST", "DELETE"]
    return Starlette(routes=[Route("/", shown), Route("/api/{rest:path}", passed_on, methods=methods)])


async def test_embedded_it_has_a_cookie_and_never_a_key(profile: BrowserContext, orchestrator: Cloud) -> None:
    seen: list[Request] = []
    async with (
        httpx.AsyncClient(base_url=orchestrator.url, trust_env=False, timeout=30) as client,
        serving(mivo(orchestrator, client, seen)) as url,
    ):
        page = await profile.new_page()
        await page.goto(url)
        options = page.get_by_label("Model", exact=True).locator("option")
        await expect(options).to_have_count(4)
        assert (await options.all_inner_texts())[1:3] == ["Seedance 1.5 Pro (not available here)", "LTX-2"]
        await page.get_by_label("Choose an image").set_input_files(
            {"name": "picture.png", "mimeType": "image/png", "buffer": lighthouse()}
        )
        await generated(page, "made at Mivo")
        await page.get_by_role("article", name="made at Mivo").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_text("All 30 credits came back.")).to_be_visible()
        assert await page.locator(".studio").evaluate("studio => getComputedStyle(studio).colorScheme") == "dark"
        assert seen
        assert not [each for each in seen if "authorization" in each.headers]
        await expect(page.get_by_role("button", name="Forget the key")).to_have_count(0)
        await page.close()
