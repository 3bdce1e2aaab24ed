"""Control: what a video becomes before it guides, that it really guides, and how it fails."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.ports import free_ports
from tests.contract.preview.preview_client import Engine, Graph, disc, film, frames_of, probe
from tests.contract.preview.preview_graphs import CONTROL_MODELS, base, control_map, controlled, decode, node
from tests.contract.preview.test_preview_stages import latent

SIZE, FRAMES = (256, 192), 25
_RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded_guides.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that offers the control models, with one control video."""
    folder = tmp_path_factory.mktemp("studio")
    names = folder / "names.json"
    names.write_text(json.dumps(CONTROL_MODELS))
    engine = Engine(folder, free_ports(1)[0], "--model-names", str(names))
    film(folder / "input" / "jobs" / "disc.mp4", disc(FRAMES, *SIZE))
    yield engine
    engine.close()


@pytest.fixture
def name() -> str:
    return f"control/{uuid.uuid4().hex[:8]}"


Pictures = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def seen(pictures: Any) -> Pictures:
    """Luma from afar: what a guide can still tell at the size of a latent."""
    small = [Image.fromarray(one).convert("L").resize((64, 48), Image.Resampling.BOX) for one in pictures]
    return np.stack([np.asarray(one, np.float64) for one in small])


def likeness(one: Pictures, other: Pictures) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def follows(pictures: Pictures, scene: Pictures, guide: Pictures) -> float:
    """How much alike guide and pictures are in what the scene does not explain (a partial correlation)."""
    known = np.stack([scene.ravel(), np.ones(scene.size)], axis=1)

    def unexplained(values: Pictures) -> Pictures:
        flat = values.ravel()
        rest: Pictures = flat - known @ np.linalg.lstsq(known, flat, rcond=None)[0]
        return rest

    return likeness(unexplained(pictures), unexplained(guide))


def maps(engine: Engine, kind: str, prefix: str) -> Pictures:
    graph = control_map(kind, "jobs/disc.mp4", FRAMES, SIZE)
    graph["save"] = node("SaveImage", images=["map", 0], filename_prefix=prefix)
    entry = engine.run(graph)
    assert entry["status"]["completed"], entry["status"]["messages"][-1]
    files = [engine.base / "output" / f["subfolder"] / f["filename"] for f in entry["outputs"]["save"]["images"]]
    assert len(files) == FRAMES
    return seen([np.asarray(Image.open(file)) for file in files])


def film_of(engine: Engine, graph: Graph, prefix: str) -> Pictures:
    engine.outputs(graph)
    return seen(frames_of(engine.outputs(decode(f"{prefix}v", prefix))["save"], *SIZE))


@pytest.mark.parametrize("kind", ["canny", "depth", "pose"])
@pytest.mark.parametrize("prompt", ["a lighthouse", "a city at night"])
def test_the_map_shows_in_every_picture_and_moves(studio: Engine, name: str, kind: str, prompt: str) -> None:
    guide = maps(studio, kind, f"{name}m")
    graph = controlled(name, kind, "jobs/disc.mp4", size=SIZE, frames=FRAMES, prompt=prompt, camera="static")
    with_guide = film_of(studio, graph, name)
    plain = base(f"{name}p", size=SIZE, frames=FRAMES, prompt=prompt, camera="static")
    without = film_of(studio, plain, f"{name}p")
    assert len(with_guide) == len(without) == FRAMES
    for frame, other in ((0, -1), (12, 0), (FRAMES - 1, 0)):  # three of those that the codec keeps: every fourth
        pictures, scene = with_guide[frame], without[frame]
        assert follows(pictures, scene, guide[frame]) > 0.8
        assert follows(pictures, scene, guide[frame]) > follows(pictures, scene, guide[other]) + 0.1, "it moves"
        assert likeness(pictures, guide[frame]) > likeness(scene, guide[frame]) + 0.05


def test_an_already_prepared_map_is_taken_as_it_is(studio: Engine, name: str) -> None:
    graph = controlled(name, "none", "jobs/disc.mp4", size=SIZE, frames=FRAMES)
    pictures = film_of(studio, graph, name)
    assert likeness(pictures, seen(disc(FRAMES, *SIZE))) > 0.6


def test_without_the_lora_a_guide_guides_nothing(studio: Engine, name: str) -> None:
    plain = latent(studio.outputs(base(f"{name}p", size=SIZE, frames=FRAMES))["video"])
    graph = controlled(name, "canny", "jobs/disc.mp4", size=SIZE, frames=FRAMES, lora=False)
    np.testing.assert_allclose(latent(studio.outputs(graph)["video"]), plain, atol=1e-5)


def test_a_guide_that_is_not_cropped_is_saved_with_the_latent(studio: Engine, name: str) -> None:
    graph = controlled(name, "canny", "jobs/disc.mp4", size=SIZE, frames=FRAMES)
    cropped = latent(studio.outputs(graph)["video"])
    assert cropped.shape == (1, 128, 4, 6, 8)
    graph["video"]["inputs"] = {"samples": ["apart", 0], "filename_prefix": f"{name}_whole"}
    whole = latent(studio.outputs(graph)["video"])
    assert whole.shape == (1, 128, 8, 6, 8)
    assert whole[:, :, :4].tobytes() == cropped.tobytes()


def test_the_core_nodes_give_the_same_to_the_bit(studio: Engine, name: str) -> None:
    graph = controlled(name, "canny", "jobs/disc.mp4", size=SIZE, frames=FRAMES)
    custom = latent(studio.outputs(graph)["video"])
    graph["ic"]["class_type"] = "LoraLoaderModelOnly"
    graph["parameters"] = node("GetICLoRAParameters", iclora_model=["ic", 0])
    links = {key: graph["guide"]["inputs"][key] for key in ("positive", "negative", "vae", "latent", "image")}
    graph["guide"] = node("LTXVAddGuide", **links, frame_idx=0, strength=1.0, iclora_parameters=["parameters", 0])
    graph["video"]["inputs"]["filename_prefix"] = f"{name}_core"
    assert latent(studio.outputs(graph)["video"]).tobytes() == custom.tobytes()


def test_a_union_lora_takes_its_guide_at_half_the_size(studio: Engine, name: str) -> None:
    graph = controlled(name, "canny", "jobs/disc.mp4", size=SIZE, frames=FRAMES)
    full = latent(studio.outputs(graph)["video"])
    graph["ic"]["inputs"]["lora_name"] = "ltx-2-19b-ic-lora-union-ref0.5.safetensors"
    graph["guide"]["inputs"]["latent_downscale_factor"] = ["ic", 1]
    graph["video"]["inputs"]["filename_prefix"] = f"{name}_half"
    half = latent(studio.outputs(graph)["video"])
    assert 0.01 < np.abs(half - full).mean() < 0.3
    graph["empty"]["inputs"] |= {"width": 96, "height": 96}
    failure = studio.run(graph)["status"]["messages"][-1][1]
    assert failure["exception_type"] == "ValueError"


def test_an_image_keeps_its_first_frame_under_control(studio: Engine, name: str) -> None:
    Image.linear_gradient("L").convert("RGB").resize(SIZE).save(studio.base / "input" / "gradient.png")
    graph = controlled(name, "pose", "jobs/disc.mp4", size=SIZE, frames=FRAMES, image="gradient.png")
    pictures = film_of(studio, graph, name)
    wanted = seen([np.asarray(Image.open(studio.base / "input" / "gradient.png"))])[0]
    assert likeness(pictures[0], wanted) > 0.97
    assert likeness(pictures[8], wanted) > 0.5


@pytest.mark.parametrize("capture", sorted(_RECORDED))
def test_guides_fail_as_recorded(studio: Engine, capture: str) -> None:
    source = "stage1/b_t2v_fast_base_split"
    studio.outputs(base(source, frames=17))
    embeddings = studio.base / "models" / "embeddings"
    kept = (embeddings / "stage1_b_t2v_fast_base_split.safetensors").read_bytes()
    (embeddings / "b_t2v_fast_base_split_pos.safetensors").write_bytes(kept)
    failure = studio.run(_RECORDED[capture]["graph"])["status"]["messages"][-1][1]
    assert {key: failure[key] for key in _RECORDED[capture]["error"]} == _RECORDED[capture]["error"]


def test_videos_are_taken_from_below_input_and_from_output_and_a_missing_one_is_refused(studio: Engine) -> None:
    film(studio.base / "output" / "made" / "x.mp4", disc(9, 64, 64))
    for file, frames in (("jobs/disc.mp4", FRAMES), ("made/x.mp4 [output]", 9)):
        told = probe(studio.outputs(copied(file))["save"])
        video, audio = told["streams"]
        assert (video["nb_frames"], video["avg_frame_rate"], audio["sample_rate"]) == (str(frames), "24/1", "48000")
    answer = studio.post(copied("missing.mp4"))
    assert answer.status_code == 400
    error = answer.json()["node_errors"]["file"]["errors"][0]
    assert (error["type"], error["details"]) == ("custom_validation_failed", "file - Invalid video file: missing.mp4")


def copied(file: str) -> Graph:
    """A video taken apart and put together again: pictures, sound and frame rate by links."""
    return {
        "file": node("LoadVideo", file=file),
        "parts": node("GetVideoComponents", video=["file", 0]),
        "clip": node("CreateVideo", images=["parts", 0], audio=["parts", 1], fps=["parts", 2]),
        "save": node(
            "SaveVideo", video=["clip", 0], filename_prefix=f"copy/{uuid.uuid4().hex}", format="auto", codec="auto"
        ),
    }


def test_a_silent_video_has_no_sound_and_a_broken_one_is_an_error(studio: Engine) -> None:
    film(studio.base / "input" / "silent.mp4", disc(9, 64, 64), fps=30, sound=False)
    told = probe(studio.outputs(copied("silent.mp4"))["save"])
    assert [stream["codec_type"] for stream in told["streams"]] == ["video"]
    assert told["streams"][0]["avg_frame_rate"] == "30/1"
    (studio.base / "input" / "broken.mp4").write_bytes(b"no video at all")
    failure = studio.run(copied("broken.mp4"))["status"]["messages"][-1][1]
    assert (failure["node_id"], failure["exception_type"]) == ("file", "ValueError")
    assert "Invalid data found" in failure["exception_message"]


def test_the_inputs_of_a_dynamic_choice_are_judged_by_their_dotted_names(studio: Engine) -> None:
    graph = control_map("depth", "jobs/disc.mp4", FRAMES, SIZE)
    graph["save"] = node("PreviewImage", images=["map", 0])
    del graph["map"]["inputs"]["output.normalization"]
    graph["found"]["inputs"]["mode"] = "stereo"
    errors = studio.post(graph).json()["node_errors"]
    assert [(e["type"], e["extra_info"]["input_name"]) for e in errors["map"]["errors"]] == [
        ("required_input_missing", "output.normalization")
    ]
    assert [e["type"] for e in errors["found"]["errors"]] == ["value_not_in_list"]


def test_the_pose_of_another_model_is_refused(studio: Engine) -> None:
    graph = control_map("pose", "jobs/disc.mp4", FRAMES, SIZE)
    graph["sdpose"]["inputs"]["ckpt_name"] = "ltx-2-19b-dev.safetensors"
    graph["save"] = node("PreviewImage", images=["map", 0])
    failure = studio.run(graph)["status"]["messages"][-1][1]
    assert (failure["node_id"], failure["exception_type"]) == ("points", "ValueError")
