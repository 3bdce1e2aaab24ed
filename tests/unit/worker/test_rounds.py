import pytest

from shared.comfy.graph import Graph
from shared.contracts.artifact import Artifact
from shared.contracts.stage import SpatialUpscaleInput
from shared.stage import Names
from shared.worker.progress import rounds_of
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
