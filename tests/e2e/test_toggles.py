"""Every combination of the two upscalers, with and without an image, down to the pixels."""

import asyncio
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
from tests.fixtures_cloud import RunningCloud, frame, likeness

SECONDS = 1


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
    request: dict[str, Any] = {
        "prompt": "the sea at dusk",
        "resolution": "draft",
        "duration": SECONDS,
        "seed": 5,
        "spatial_upscale": spatial,
        "temporal_upscale": temporal,
    }
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
    check(video, size=(256, 144), fps=48 if temporal else 24, seconds=SECONDS)
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
