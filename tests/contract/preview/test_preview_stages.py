"""The three stages, graph after graph through the real server, judged by their files and pictures."""

import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from tests.contract.preview.preview_client import DEADLINE, Engine, frames_of, probe
from tests.contract.preview.preview_graphs import base, decode, delivered, node, refine


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
    graph = delivered(f"{name}v", f"{name}r", size=(256, 144), y=24, frames=48, fps=48)
    told = probe(engine.outputs(graph)["save"])
    video, audio = told["streams"]
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 256, 144)
    assert (video["avg_frame_rate"], video["nb_frames"]) == ("48/1", "48")
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 2)
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
