"""Every combination of the two upscalers, with and without an image; control and detailer; down to the pixels.

One file, so that all of it is one cloud: an idle one takes a tenth of a core.
"""

import asyncio
import shutil
import subprocess
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from local.picture import lighthouse
from shared import media
from tests.contract.deployment.blocks import blocks
from tests.contract.deployment.blocks import run as run_block
from tests.fixtures_cloud import RunningCloud, frame, likeness

SECONDS = 1
DRAFT: dict[str, Any] = {"prompt": "the sea at dusk", "resolution": "draft", "duration": SECONDS, "seed": 5}
SIZE, FPS = (256, 144), 24


def check(path: Path, *, size: tuple[int, int], fps: int, seconds: int) -> None:
    info = asyncio.run(media.probe(path))
    assert (info.width, info.height) == size
    assert (float(info.fps), info.frames) == (fps, fps * seconds)
    assert abs(info.seconds - seconds) < 0.001
    assert info.audio_seconds is not None
    assert abs(info.audio_seconds - seconds) < 0.001
    assert info.comment is not None
    assert "preview" in info.comment
    frames = [frame(path, at) for at in (0.0, seconds * 0.5, seconds * 0.9)]
    assert all(0.02 < shown.mean() < 0.98 and shown.std() > 0.02 for shown in frames), "black, white or empty"
    assert np.abs(frames[0] - frames[2]).mean() > 0.001, "nothing moves"


def stages(spatial: bool, temporal: bool) -> list[str]:
    return ["base_gen", *["spatial_upscale"] * spatial, *["temporal_upscale"] * temporal]


@pytest.mark.parametrize(("image", "spatial", "temporal"), list(product([False, True], repeat=3)))
def test_every_combination(cloud: RunningCloud, tmp_path: Path, image: bool, spatial: bool, temporal: bool) -> None:
    picture = lighthouse()
    request = {**DRAFT, "spatial_upscale": spatial, "temporal_upscale": temporal}
    if image:
        request["upload_id"] = cloud.upload(picture)
    done = cloud.make(**request)
    assert [run["stage"] for run in done["stages"]] == stages(spatial, temporal)
    for run in done["stages"]:
        assert run["state"] == "succeeded"
        assert run["attempt"] == 1
        assert all(len(artifact["sha256"]) == 64 for artifact in run["artifacts"].values())
        assert run["created_at"] <= run.get("started_at", run["finished_at"]) <= run["finished_at"]
        assert ("started_at" in run) == (not run["reused"]), "work that was found done was never submitted"
    video = cloud.download(done, tmp_path / "video.mp4")
    check(video, size=SIZE, fps=48 if temporal else FPS, seconds=SECONDS)
    wanted = np.asarray(Image.open(BytesIO(picture)).resize((64, 36), Image.Resampling.BOX)) / 255.0
    alike = likeness(frame(video, 0.0), wanted)
    assert (alike > 0.9) == image, f"likeness to the image is {alike:.2f}"


def test_the_early_look_comes_before_the_video_and_looks_like_it(cloud: RunningCloud, tmp_path: Path) -> None:
    """Of the still that the base begins with: a refine may change much of what nobody gave it."""
    asked = {"prompt": "the sea at dusk", "upload_id": cloud.upload(lighthouse()), "seed": 6}
    made = cloud.create(**asked, resolution="draft", duration=2, temporal_upscale=True, early_look=True)
    done = cloud.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    look = done["early_look"]
    assert (look["width"], look["height"], look["frames"], look["fps"]) == (128, 72, 48, 24)
    path = tmp_path / "look.mp4"
    path.write_bytes(httpx.get(look["url"], trust_env=False).raise_for_status().content)
    video = cloud.download(done, tmp_path / "video.mp4")
    assert likeness(frame(path, 0.1), frame(video, 0.1)) > 0.9
    with cloud.api.stream("GET", f"/api/generations/{made['id']}/events") as told:
        kinds = [line.removeprefix("event: ") for line in told.iter_lines() if line.startswith("event: ")]
    assert kinds.index("early_look") < kinds.index("generation.succeeded")


def test_720p_with_both_upscalers(cloud: RunningCloud, tmp_path: Path) -> None:
    done = cloud.make(prompt="a harbour", temporal_upscale=True, seed=1, seconds=240)
    check(cloud.download(done, tmp_path / "video.mp4"), size=(1280, 720), fps=48, seconds=10)
    assert done["credits"] == 30


def test_1080p(cloud: RunningCloud, tmp_path: Path) -> None:
    done = cloud.make(prompt="a harbour", resolution="1080p", quality="pro", seed=1, seconds=300)
    check(cloud.download(done, tmp_path / "video.mp4"), size=(1920, 1080), fps=24, seconds=10)
    assert done["credits"] == 60


def test_seeds_and_prompts_differ_and_the_same_is_the_same(cloud: RunningCloud, tmp_path: Path) -> None:
    def first_frame(name: str, **request: Any) -> np.ndarray:
        done = cloud.make(resolution="draft", duration=1, spatial_upscale=False, **request)
        return frame(cloud.download(done, tmp_path / name), 0.5)

    one = first_frame("one", prompt="a fox", seed=1)
    assert likeness(one, first_frame("seed", prompt="a fox", seed=2)) < 0.98
    assert likeness(one, first_frame("prompt", prompt="an owl", seed=1)) < 0.98
    assert np.array_equal(one, first_frame("same", prompt="a fox", seed=1))


def bar(folder: Path) -> bytes:
    """A user's video: a white bar that crosses a black picture from left to right; 30 fps, 4:3, 0.9 s."""
    path = folder / "bar.mp4"
    source = "color=c=white:size=40x240:rate=30[bar];color=c=black:size=320x240:rate=30[back];"
    source += "[back][bar]overlay=x=280*t/0.9:y=0:eval=frame"
    argv = ["ffmpeg", "-v", "error", "-y", "-filter_complex", source, "-t", "0.9", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(argv, check=True, timeout=30)
    return path.read_bytes()


def upload(cloud: RunningCloud, body: bytes, media_type: str) -> str:
    slot = cloud.api.post("/api/uploads", json={"media_type": media_type, "bytes": len(body)}).raise_for_status().json()
    httpx.put(slot["url"], content=body, headers=slot["headers"], trust_env=False).raise_for_status()
    return str(slot["upload_id"])


def brightened(plain: Path, guided: Path, at: float) -> float:
    """Where along the picture's width, 0..1, the guided video gained the most light: edges are white lines."""
    gained = (frame(guided, at) - frame(plain, at)).mean(axis=(0, 2))
    return int(gained.argmax()) / len(gained)


def test_a_canny_control_by_an_uploaded_video_is_followed(cloud: RunningCloud, tmp_path: Path) -> None:
    control = {"type": "canny", "upload_id": upload(cloud, bar(tmp_path), "video/mp4")}
    asked = {**DRAFT, "camera": "none"}
    plain = cloud.download(cloud.make(**asked), tmp_path / "plain.mp4")
    done = cloud.make(**asked, control=control)
    video = cloud.download(done, tmp_path / "video.mp4")
    assert [run["stage"] for run in done["stages"]] == ["base_gen", "spatial_upscale"]
    check(video, size=SIZE, fps=FPS, seconds=SECONDS)
    assert brightened(plain, video, 0.1) < 0.3, "the bar is on the left at first"
    assert brightened(plain, video, 0.8) > 0.7, "and then on the right"


def test_a_depth_control_by_the_image_itself(cloud: RunningCloud, tmp_path: Path) -> None:
    asked = {**DRAFT, "upload_id": cloud.upload(lighthouse()), "spatial_upscale": False}
    done = cloud.make(**asked, control={"type": "depth", "source": "image"})
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=FPS, seconds=SECONDS)
    assert done["stages"][0]["state"] == "succeeded"


def test_the_detailer_without_the_upscalers(cloud: RunningCloud, tmp_path: Path) -> None:
    done = cloud.make(**DRAFT, detailer=True, spatial_upscale=False)
    assert [run["stage"] for run in done["stages"]] == ["base_gen", "spatial_upscale"]
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=FPS, seconds=SECONDS)


def test_control_detailer_image_and_both_upscalers_at_once(cloud: RunningCloud, tmp_path: Path) -> None:
    control = {"type": "pose", "upload_id": upload(cloud, bar(tmp_path), "video/mp4"), "strength": 0.7}
    asked = {**DRAFT, "upload_id": cloud.upload(lighthouse()), "quality": "pro", "control": control}
    done = cloud.make(**asked, detailer=True, temporal_upscale=True)
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=48, seconds=SECONDS)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_commands_of_the_operations_page(cloud: RunningCloud, tmp_path: Path) -> None:
    cloud.make(**DRAFT, spatial_upscale=False)  # something to be found
    facts = cloud.cloud.facts
    variables = {"API": facts.api_url, "KEY": facts.api_key, "ADMIN_KEY": facts.admin_key}
    said = [run_block(block, tmp_path, variables) for block in blocks("sh cloud")]
    marks = ("runpod_id", '"failures"', '"stages"', '"deliveries"')
    assert [mark in text for mark, text in zip(marks, said, strict=True)] == [True] * 4


SOLD = {"720p": (1280, 720), "1080p": (1920, 1080)}
EVERY = list(product(SOLD, (10, 15, 20), [True, False], [True, False]))


@pytest.mark.slow  # eight minutes; one of 720p with all and one of 1080p are in every run
@pytest.mark.parametrize("sold", EVERY)
def test_what_is_sold_is_exact(cloud: RunningCloud, tmp_path: Path, sold: tuple[str, int, bool, bool]) -> None:
    """Every combination is proved on paper in tests/unit/worker/test_sold_sizes.py."""
    resolution, duration, spatial, temporal = sold
    asked = {"prompt": "a harbour", "resolution": resolution, "duration": duration, "seed": 2}
    done = cloud.make(**asked, spatial_upscale=spatial, temporal_upscale=temporal, seconds=400)
    fps = 48 if temporal else FPS
    check(cloud.download(done, tmp_path / "video.mp4"), size=SOLD[resolution], fps=fps, seconds=duration)
