"""The three stages, graph after graph through the real server, judged by their files and pictures."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from tests.contract.preview.preview_client import DEADLINE, Engine, frames_of, probe
from tests.contract.preview.preview_graphs import base, cropped, decode, node, refine

_REFERENCE = Path(__file__).parents[4] / "shared" / "comfyui"


@pytest.fixture
def name() -> str:
    """A prefix of its own for every test, as the workers use one for every attempt."""
    return f"stage/{uuid.uuid4().hex[:8]}"


def latent(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return load_file(path)["latent_tensor"]


def draw(engine: Engine) -> tuple[str, Image.Image]:
    picture = Image.new("RGB", (256, 192), (30, 90, 160))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 120, 256, 192), fill=(60, 140, 60))
    pen.ellipse((90, 30, 160, 100), fill=(240, 200, 60))
    pen.polygon([(20, 120), (50, 60), (80, 120)], fill=(180, 60, 50))
    picture.save(engine.base / "input" / "drawn.png")
    return "drawn.png", picture


def alike(one: Image.Image, other: Image.Image) -> float:
    """Correlation of two pictures seen from afar."""
    a, b = (np.asarray(picture.resize((32, 24)), np.float64).ravel() for picture in (one, other))
    return float(np.corrcoef(a, b)[0, 1])


def test_three_stages_of_a_text_to_video_draft(engine: Engine, name: str) -> None:
    begun = time.monotonic()
    low = engine.outputs(base(name, size=(128, 96), frames=25))
    high = engine.outputs(refine(f"{name}r", name))
    graph = cropped(decode(f"{name}v", f"{name}r", temporal=True, fps=48.0), width=256, height=144, y=24, frames=48)
    told = probe(engine.outputs(graph)["save"])
    video, audio = told["streams"]
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 256, 144)
    assert (video["avg_frame_rate"], video["nb_frames"]) == ("48/1", "48")
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "24000", 2)
    assert float(told["format"]["duration"]) == pytest.approx(1.0, abs=0.002)
    assert latent(low["video"]).shape == (1, 128, 4, 3, 4)
    assert latent(high["video"]).shape == (1, 128, 4, 6, 8)
    assert time.monotonic() - begun < DEADLINE


def test_a_frozen_audio_latent_is_equal_to_the_bit_and_a_free_one_changes(engine: Engine, name: str) -> None:
    before = latent(engine.outputs(base(name))["audio"])
    frozen = latent(engine.outputs(refine(f"{name}f", name))["audio"])
    free = latent(engine.outputs(refine(f"{name}n", name, freeze_audio=False))["audio"])
    assert frozen.tobytes() == before.tobytes()
    assert np.abs(free - before).mean() > 0.05


def test_the_same_seed_gives_the_same_video_and_another_prompt_or_seed_another(engine: Engine, name: str) -> None:
    def pictures(suffix: str, prompt: str, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        engine.http.post("/free", json={"free_memory": True})
        return latent(engine.outputs(base(name + suffix, prompt=prompt, seed=seed))["video"])

    one = pictures("a", "a forest", 1)
    assert pictures("b", "a forest", 1).tobytes() == one.tobytes()
    assert np.abs(pictures("c", "a forest", 2) - one).mean() > 0.2
    assert np.abs(pictures("d", "a harbour", 1) - one).mean() > 0.2


def test_an_input_image_is_recognised_in_every_frame(engine: Engine, name: str) -> None:
    image, drawn = draw(engine)
    engine.outputs(base(name, size=(128, 96), frames=25, image=image, camera="static"))
    engine.outputs(refine(f"{name}r", name, image=image, camera="static"))
    frames = frames_of(engine.outputs(decode(f"{name}v", f"{name}r"))["save"], 256, 192)
    assert len(frames) == 25
    likeness = [alike(drawn, Image.fromarray(frame)) for frame in frames]
    assert likeness[0] > 0.99
    assert min(likeness) > 0.9
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 20, "something moves"


def test_refining_adds_detail(engine: Engine, name: str) -> None:
    def fine(path: Path) -> float:
        luma = frames_of(path, 256, 192)[12].mean(axis=-1)
        return float(np.abs(np.diff(luma, 2, axis=1)).mean())

    engine.outputs(base(name, size=(128, 96), frames=25))
    high = engine.outputs(refine(f"{name}r", name))
    graph = decode(f"{name}u", name)  # upscaled but not refined
    graph["model"] = node("LatentUpscaleModelLoader", model_name="ltx-2-spatial-upscaler-x2-1.0.safetensors")
    graph["large"] = node("LTXVLatentUpsampler", samples=["v", 0], upscale_model=["model", 0], vae=["vae", 0])
    graph["pictures"]["inputs"]["samples"] = ["large", 0]
    plain, refined = engine.outputs(graph)["save"], engine.outputs(decode(f"{name}v", f"{name}r"))["save"]
    assert high["video"].exists()
    assert fine(refined) > 1.3 * fine(plain)


def _reference_graphs() -> list[Path]:
    """In the order in which one may read what another wrote: d2 decodes what e2 made."""
    return sorted((_REFERENCE / "graphs").glob("*.json"), key=lambda path: (path.stem.startswith("d2"), path.stem))


@pytest.mark.skipif(not _reference_graphs(), reason="the reference graphs (../shared/comfyui/graphs) are not here")
def test_every_reference_graph_of_known_nodes_executes(start: Callable[..., Engine], tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(_EXTRA_MODELS))
    engine = start("--model-names", str(names))
    Image.new("RGB", (128, 64), (90, 120, 30)).save(engine.base / "input" / "first_frame.png")
    known = set(engine.http.get("/object_info").json())
    ran: list[str] = []
    for path in _reference_graphs():
        graph = json.loads(path.read_text())
        if {one["class_type"] for one in graph.values()} - known or path.stem in _NEED_OTHER_GRAPHS:
            continue
        entry = engine.run(graph)
        assert entry["status"]["completed"], (path.stem, entry["status"]["messages"][-1])
        ran.append(path.stem)
        _pass_on(engine, path.stem)
    assert len(ran) >= 25, ran


# It reads what a graph with nodes of a later issue wrote.
_NEED_OTHER_GRAPHS = {"h1s_iclora_canny_spatial_refine"}
# Names of files in the recorded session that shared/models.toml does not know.
_EXTRA_MODELS = {
    "diffusion_models": ["ltx-2-19b-distilled-transformer-only.safetensors"],
    "vae": [
        f"ltx-2-{n}.safetensors" for n in ("video-vae", "video-vae-nometa", "video-vae-prefixed", "audio-vae-only")
    ],
    "checkpoints": ["ltx-2-audio-vae-only.safetensors", "ltx-2-text-projection-only.safetensors"],
    "loras": ["alien-keys.safetensors", "wrong-shape.safetensors"],
    "text_encoders": ["gemma-3-12b-it-qat-q4_0-unquantized/model-00001-of-00005.safetensors"],
}


def _pass_on(engine: Engine, done: str) -> None:
    """Puts a graph's files where the next graphs look for them, as in the recorded session."""
    if done != "b_t2v_fast_base_split":
        return
    inputs, output, embeddings = engine.base / "input", engine.base / "output", engine.base / "models" / "embeddings"
    for folder in (inputs, embeddings):
        (folder / "jobs" / "abc").mkdir(parents=True)
    for part in ("video", "audio"):
        content = (output / f"stage1/{done}_{part}_00001_.latent").read_bytes()
        (inputs / f"job_{part}.latent").write_bytes(content)
        (inputs / f"jobs/abc/job_{part}.latent").write_bytes(content)
    content = (embeddings / f"{done}_pos.safetensors").read_bytes()
    for name in ("jobs/abc/pos.safetensors", "k_pos.safetensors"):
        (embeddings / name).write_bytes(content)
