"""Control and detailer through the whole local cloud, down to the pixels; and what is sold is exact in size."""

import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.picture import lighthouse
from tests.e2e.test_toggles import check
from tests.fixtures_cloud import RunningCloud, frame

DRAFT: dict[str, Any] = {"prompt": "the sea at dusk", "resolution": "draft", "duration": 1, "seed": 5}
SIZE, FPS = (256, 144), 24


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


@pytest.mark.parametrize("quality", ["fast", "pro"])
def test_a_canny_control_by_an_uploaded_video_is_followed(cloud: RunningCloud, tmp_path: Path, quality: str) -> None:
    control = {"type": "canny", "upload_id": upload(cloud, bar(tmp_path), "video/mp4")}
    asked = {**DRAFT, "quality": quality, "camera": "none"}
    plain = cloud.download(cloud.make(**asked), tmp_path / "plain.mp4")
    done = cloud.make(**asked, control=control)
    video = cloud.download(done, tmp_path / "video.mp4")
    assert [run["stage"] for run in done["stages"]] == ["base_gen", "spatial_upscale"]
    check(video, size=SIZE, fps=FPS, seconds=1)
    assert brightened(plain, video, 0.1) < 0.3, "the bar is on the left at first"
    assert brightened(plain, video, 0.8) > 0.7, "and then on the right"


@pytest.mark.parametrize("spatial", [True, False])
def test_a_depth_control_by_the_image_itself(cloud: RunningCloud, tmp_path: Path, spatial: bool) -> None:
    asked = {**DRAFT, "upload_id": cloud.upload(lighthouse()), "spatial_upscale": spatial}
    done = cloud.make(**asked, control={"type": "depth", "source": "image"})
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=FPS, seconds=1)
    assert done["stages"][0]["state"] == "succeeded"


@pytest.mark.parametrize(("spatial", "temporal"), list(product([True, False], repeat=2)))
def test_the_detailer_with_and_without_the_upscalers(
    cloud: RunningCloud, tmp_path: Path, spatial: bool, temporal: bool
) -> None:
    done = cloud.make(**DRAFT, detailer=True, spatial_upscale=spatial, temporal_upscale=temporal)
    assert [run["stage"] for run in done["stages"]] == ["base_gen", "spatial_upscale", *["temporal_upscale"] * temporal]
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=48 if temporal else FPS, seconds=1)


def test_control_detailer_image_and_both_upscalers_at_once(cloud: RunningCloud, tmp_path: Path) -> None:
    control = {"type": "pose", "upload_id": upload(cloud, bar(tmp_path), "video/mp4"), "strength": 0.7}
    asked = {**DRAFT, "upload_id": cloud.upload(lighthouse()), "quality": "pro", "control": control}
    done = cloud.make(**asked, detailer=True, temporal_upscale=True)
    check(cloud.download(done, tmp_path / "video.mp4"), size=SIZE, fps=48, seconds=1)


SOLD = {"720p": (1280, 720), "1080p": (1920, 1080)}
EVERY = list(product(SOLD, (10, 15, 20), [True, False], [True, False]))


@pytest.mark.slow  # eight minutes; test_toggles.py has one of 720p with all and one of 1080p in every run
@pytest.mark.parametrize("sold", EVERY)
def test_what_is_sold_is_exact(cloud: RunningCloud, tmp_path: Path, sold: tuple[str, int, bool, bool]) -> None:
    """Every combination is proved on paper in tests/unit/worker/test_sold_sizes.py."""
    resolution, duration, spatial, temporal = sold
    asked = {"prompt": "a harbour", "resolution": resolution, "duration": duration, "seed": 2}
    done = cloud.make(**asked, spatial_upscale=spatial, temporal_upscale=temporal, seconds=400)
    fps = 48 if temporal else FPS
    check(cloud.download(done, tmp_path / "video.mp4"), size=SOLD[resolution], fps=fps, seconds=duration)
