"""The engine that sleeps instead of rendering: its times, its progress, its interrupts, and what it delivers."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from bench.videos import ENGINE
from local.comfyui_preview.service.times import Cost, ServiceTimes
from shared import media
from shared.worker import quality
from tests.contract.preview.preview_client import Engine
from tests.contract.preview.preview_graphs import Graph, base, ending, node, refine

QUICK = Cost(step=0.01, decode=0.05)
SHAPES = {"17x128x64": Cost(step=0.05), "17x256x128": QUICK, "33x256x128": QUICK, "25x128x64": Cost(step=600)}


@pytest.fixture
def sleeper(start: Callable[..., Engine], tmp_path: Path) -> Engine:
    path = tmp_path / "service" / "times.json"
    path.parent.mkdir()
    path.write_text(ServiceTimes(costs=SHAPES, sigma=0).model_dump_json())
    return start("--service-times", str(path))


def video(source: str, prefix: str) -> Graph:
    """The latents of `source` as the workers' graphs end."""
    checkpoint = "ltx-2-19b-distilled.safetensors"
    return {
        "vae": node("VAELoader", vae_name="ltx-2-19b-video-vae.safetensors"),
        "avae": node("LTXVAudioVAELoader", ckpt_name=checkpoint),
        "v": node("LoadLatent", latent=f"{source}_video_00001_.latent [output]"),
        "a": node("LoadLatent", latent=f"{source}_audio_00001_.latent [output]"),
        "sound": node("LTXVAudioVAEDecode", samples=["a", 0], audio_vae=["avae", 0]),
        "clip": ending(["v", 0], prefix, size=(256, 112), frames=16),
    }


def test_a_step_takes_its_time_and_is_told(sleeper: Engine) -> None:
    with sleeper.listen("me") as listener:
        began = time.monotonic()
        prompt_id = sleeper.submit(base("slow"), client_id="me")
        heard = listener.story(prompt_id)
    assert time.monotonic() - began >= 8 * 0.05
    steps = [event["data"]["value"] for event in heard if event["type"] == "progress"]
    assert (steps[0], steps[-1]) == (1, 8)
    assert steps == sorted(set(steps))


def test_the_engine_counts_what_it_slept_and_not_what_its_cache_gave(sleeper: Engine) -> None:
    sleeper.run(base("once"))
    sleeper.run(base("again"))
    told = ENGINE.findall((sleeper.base / "engine.log").read_text())
    assert [float(slept) for slept, _ in told] == [pytest.approx(8 * 0.05), 0.0]
    assert float(told[0][1]) >= float(told[0][0])


def test_an_interrupt_ends_a_long_step_at_once(sleeper: Engine) -> None:
    with sleeper.listen("me") as listener:
        prompt_id = sleeper.submit(base("long", frames=25), client_id="me")
        listener.until(lambda event: event["type"] == "executing" and event["data"]["node"] == "sample")
        sleeper.http.post("/interrupt", json={"prompt_id": prompt_id})
        heard = listener.story(prompt_id)  # within its 30 s, where the step takes 600
    assert any(event["type"] == "execution_interrupted" for event in heard)


def test_prompts_and_seeds_give_different_latents_of_the_true_shape(sleeper: Engine) -> None:
    def made(prompt: str, seed: int) -> Path:
        return sleeper.outputs(base(f"l/{uuid.uuid4().hex[:8]}", prompt=prompt, seed=seed))["video"]

    one, again, other, second = made("a", 1), made("a", 1), made("a", 2), made("b", 1)
    tensors = [load_file(path)["latent_tensor"] for path in (one, again, other, second)]
    assert {tensor.shape for tensor in tensors} == {(1, 128, 3, 2, 4)}
    assert np.isfinite(tensors[0]).all()
    assert np.array_equal(tensors[0], tensors[1])
    assert not np.array_equal(tensors[0], tensors[2])
    assert not np.array_equal(tensors[0], tensors[3])


async def test_stock_footage_passes_the_workers_gate_and_is_made_once(sleeper: Engine, tmp_path: Path) -> None:
    sleeper.run(base("s"))
    sleeper.run(refine("r", "s"))
    first = sleeper.run(video("r", "one"))
    assert first["status"]["completed"], first["status"]["messages"][-1]
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "service" / "stock").iterdir()}
    assert len(kept) == 1
    sleeper.run(video("r", "two"))
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "service" / "stock").iterdir()} == kept
    clip = next((tmp_path / "output").glob("two_*"))
    info = await media.probe(clip)
    assert (info.width, info.height, info.frames) == (256, 112, 16)
    assert quality.faults(await media.sample(clip)) == []


def test_a_shape_without_a_time_fails_the_prompt_and_says_so(sleeper: Engine) -> None:
    entry = sleeper.run(base("odd", size=(64, 64)))
    kind, told = entry["status"]["messages"][-1]
    assert kind == "execution_error"
    assert "no service time for a step of 17x64x64" in told["exception_message"]
