from typing import Any

import pytest

from shared import durations
from shared.comfy.graph import Graph
from shared.contracts.artifact import Artifact
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput, StageProgress
from shared.contracts.vocabulary import Quality
from shared.stage import Names
from shared.worker.progress import Throttle, rounds_of, weights_of
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.detail import TITLE
from workers.spatial_upscale.stage import STAGE

ANY = Artifact(key="latents/x", sha256="0" * 64, bytes=1, media_type="a/b")


def looping(**tiles: int) -> Graph:
    inputs = {"temporal_tile_size": 56, "temporal_overlap": 24, "horizontal_tiles": 1, "vertical_tiles": 1}
    return Graph().add("Tiles", "LTXVLoopingSampler", **{**inputs, **tiles})


@pytest.mark.parametrize(
    ("frames", "tiles"), [(25, 1), (49, 1), (57, 2), (65, 2), (121, 4), (241, 7), (361, 11), (481, 15)]
)
def test_tiles_begin_every_32_frames_until_the_clip_ends_within_one(frames: int, tiles: int) -> None:
    """65 frames took two on a real ComfyUI (capture run_i2)."""
    assert rounds_of(looping(), frames) == {"Tiles": tiles}


def test_tiles_side_by_side_count_as_well() -> None:
    assert rounds_of(looping(horizontal_tiles=3, vertical_tiles=2), 65) == {"Tiles": 12}


def test_only_the_detailer_of_a_real_graph_has_rounds() -> None:
    plain = SpatialUpscaleInput(video_latent=ANY, audio_latent=ANY, conditioning=ANY)
    detailed = plain.model_copy(update={"detail_conditioning": ANY, "detailer": True})
    assert rounds_of(STAGE.graph(plain, Names("a" * 32)), 241) == {}
    assert rounds_of(STAGE.graph(detailed, Names("a" * 32)), 241) == {TITLE: 7}


@pytest.mark.parametrize(
    ("work", "sampling", "decoding"),
    [
        # seconds of facts/ltx2.md section 6.2: a fast base is mostly its decoder, a pro one mostly its sampler
        (BaseGenInput(prompt="x", half_resolution=False), {"Sample": 37.0}, 8.0),
        (BaseGenInput(prompt="x", quality=Quality.PRO, steps=40, ending="latents"), {"Sample": 2 * 28 * 1.14}, None),
    ],
)
def test_what_nodes_weigh_is_what_the_recipe_takes(
    work: StageInput, sampling: dict[str, float], decoding: float | None
) -> None:
    weights = weights_of(BASE.graph(work, Names("a" * 32)), durations.of(work))
    wanted = sampling if decoding is None else {**sampling, "Save video": decoding}
    assert weights == pytest.approx(wanted)


def test_a_refine_and_a_detailer_share_the_sampling() -> None:
    work = SpatialUpscaleInput(
        video_latent=ANY, audio_latent=ANY, conditioning=ANY, detail_conditioning=ANY, detailer=True, ending="latents"
    )
    weights = weights_of(STAGE.graph(work, Names("a" * 32)), durations.of(work))
    assert len(weights) == 2
    assert list(weights.values()) == pytest.approx([12 * 1.14] * 2)


def test_posts_are_a_second_apart_but_for_the_one_that_lets_the_next_stage_begin() -> None:
    posts: list[dict[str, Any]] = []
    throttle = Throttle(posts.append)
    for phase in ("executing", "uploading", "looking"):
        throttle(StageProgress.model_validate({"attempt_id": "a" * 32, "fraction": 1.0, "phase": phase}))
    assert [post["phase"] for post in posts] == ["executing", "looking"]
