"""The detailer: more detail, tile by tile; and what quality changes in the picture."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.ports import free_ports
from tests.contract.preview.preview_client import Engine, frames_of
from tests.contract.preview.preview_graphs import CONTROL_MODELS, base, decode, detailed, node
from tests.contract.preview.test_preview_stages import latent

FRAMES, SIZE = 65, (128, 96)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that offers the detailer, with a base of 65 frames (the graphs i0 and i2 of the reference)."""
    folder = tmp_path_factory.mktemp("detailer")
    names = folder / "names.json"
    names.write_text(json.dumps(CONTROL_MODELS))
    engine = Engine(folder, free_ports(1)[0], "--model-names", str(names))
    engine.outputs(base("detail/plain", size=SIZE, frames=FRAMES))
    yield engine
    engine.close()


@pytest.fixture
def name() -> str:
    return f"detail/{uuid.uuid4().hex[:8]}"


def fineness(path: Path) -> float:
    luma = frames_of(path, *SIZE)[12].mean(axis=-1)
    return float(np.abs(np.diff(luma, 2, axis=1)).mean())


def test_the_detailer_adds_detail_and_leaves_the_sound_alone(studio: Engine, name: str) -> None:
    audio = studio.base / "output" / "detail" / "plain_audio_00001_.latent"
    before = audio.read_bytes()
    studio.outputs(detailed(name, "detail/plain"))
    (studio.base / "output" / f"{name}_audio_00001_.latent").write_bytes(before)
    plain, fine = (
        studio.outputs(decode(f"{name}v{i}", which))["save"] for i, which in enumerate(("detail/plain", name))
    )
    assert fineness(fine) > 1.3 * fineness(plain)
    assert audio.read_bytes() == before
    without = detailed(f"{name}n", "detail/plain")
    without["guider"]["inputs"]["model"] = without["loop"]["inputs"]["model"] = ["ckpt", 0]
    given, more = (latent(studio.base / "output" / f"{p}_video_00001_.latent") for p in ("detail/plain", name))
    less = latent(studio.outputs(without)["video"])
    assert np.abs(more - given).mean() > 1.3 * np.abs(less - given).mean(), "the LoRA makes it more"


def test_progress_starts_again_with_every_tile(studio: Engine, name: str) -> None:
    with studio.listen("tiles") as listener:
        graph = detailed(name, "detail/plain", vertical_tiles=2)
        heard = listener.story(studio.submit(graph, client_id="tiles"))
    steps = [e["data"]["value"] for e in heard if e["type"] == "progress" and e["data"]["node"] == "loop"]
    assert steps.count(1) == steps.count(3) == 4  # 9 latent frames make 2 tiles in time, times 2 in height
    assert {e["data"]["max"] for e in heard if e["type"] == "progress"} == {3}


def test_a_clip_no_longer_than_the_overlap_fails_as_on_a_real_one(studio: Engine, name: str) -> None:
    studio.outputs(base(name, size=SIZE, frames=17))
    failure = studio.run(detailed(f"{name}d", name))["status"]["messages"][-1][1]
    assert (failure["node_type"], failure["exception_type"]) == ("LTXVLoopingSampler", "TypeError")
    assert failure["exception_message"] == "'NoneType' object is not subscriptable\n"


def test_without_its_adain_factor_it_fails_as_on_a_real_one(studio: Engine, name: str) -> None:
    graph = detailed(name, "detail/plain")
    del graph["loop"]["inputs"]["adain_factor"]
    assert studio.run(graph)["status"]["messages"][-1][1]["exception_type"] == "TypeError"


def test_a_masked_frame_stays_as_it_is_until_its_mask_is_dropped(studio: Engine, name: str) -> None:
    Image.linear_gradient("L").convert("RGB").save(studio.base / "input" / "gradient.png")
    graph = detailed(name, "detail/plain")
    graph["picture"] = node("LoadImage", image="gradient.png")
    links = {"vae": ["ckpt", 2], "image": ["picture", 0], "latent": ["v", 0]}
    graph["held"] = node("LTXVImgToVideoInplace", **links, strength=1.0, bypass=False)
    graph["loop"]["inputs"] |= {"latents": ["held", 0], "optional_guiding_latents": ["held", 0]}
    graph["given"] = node("SaveLatent", samples=["held", 0], filename_prefix=f"{name}_given")
    files = studio.outputs(graph)
    given, masked = latent(files["given"]), latent(files["video"])
    assert masked[:, :, 0].tobytes() == given[:, :, 0].tobytes()
    graph["beside"] = node("LatentConcat", samples1=["v", 0], samples2=["held", 0], dim="-t")
    graph["free"] = node("LatentCut", samples=["beside", 0], dim="t", index=0, amount=9)
    graph["loop"]["inputs"] |= {"latents": ["free", 0], "optional_guiding_latents": ["free", 0]}
    graph["video"]["inputs"]["filename_prefix"] = f"{name}_free"
    free = latent(studio.outputs(graph)["video"])
    assert free[:, :, 1:].tobytes() == masked[:, :, 1:].tobytes()
    assert np.abs(free[:, :, 0] - given[:, :, 0]).mean() > 0.01


def test_latents_are_cut_and_joined_in_every_direction(studio: Engine, name: str) -> None:
    whole = latent(studio.base / "output" / "detail" / "plain_video_00001_.latent")
    load = node("LoadLatent", latent="detail/plain_video_00001_.latent [output]")
    graph = {"v": load}
    for dim, index, amount in (("t", 2, 3), ("x", -2, 16384), ("y", 1, 1)):
        graph[f"cut_{dim}"] = node("LatentCut", samples=["v", 0], dim=dim, index=index, amount=amount)
        graph[f"save_{dim}"] = node("SaveLatent", samples=[f"cut_{dim}", 0], filename_prefix=f"{name}_{dim}")
    graph["long"] = node("LatentConcat", samples1=["cut_t", 0], samples2=["v", 0], dim="-t")
    graph["save"] = node("SaveLatent", samples=["long", 0], filename_prefix=f"{name}_long")
    files = studio.outputs(graph)
    np.testing.assert_array_equal(latent(files["save_t"]), whole[:, :, 2:5])
    np.testing.assert_array_equal(latent(files["save_x"]), whole[..., -2:])
    np.testing.assert_array_equal(latent(files["save_y"]), whole[..., 1:2, :])
    np.testing.assert_array_equal(latent(files["save"]), np.concatenate([whole, whole[:, :, 2:5]], axis=2))


def test_cfg_negative_and_sampler_each_change_the_picture_a_little(studio: Engine, name: str) -> None:
    graph = base(name, size=SIZE, frames=17)
    graph["negative"] = node("CLIPTextEncode", clip=["clip", 0], text="blurry")
    graph["cond"]["inputs"]["negative"] = ["negative", 0]

    def made(**change: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        for title, value in change.items():
            key = next(iter(set(graph[title]["inputs"]) & {"cfg", "text", "sampler_name"}))
            graph[title]["inputs"][key] = value
        graph["video"]["inputs"]["filename_prefix"] = f"{name}{uuid.uuid4().hex[:6]}"
        return latent(studio.outputs(graph)["video"])

    fast = made()
    assert made(negative="ugly").tobytes() == fast.tobytes(), "cfg 1 never looks at the negative prompt"
    looks = [fast, made(guider=4.0), made(negative="blurry"), made(sampler="euler_ancestral"), made(guider=3.0)]
    for index, one in enumerate(looks):
        for other in looks[:index]:
            assert np.abs(one - other).mean() > 0.005
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9, "it is still the same scene"


def test_the_multimodal_guider_takes_its_cfg_from_the_video_parameters(studio: Engine, name: str) -> None:
    graph = base(name, size=SIZE, frames=17)
    graph["guider"]["inputs"]["cfg"] = 3.0
    plain = latent(studio.outputs(graph)["video"])
    common = {
        "stg": 0.0,
        "perturb_attn": True,
        "rescale": 0.7,
        "modality_scale": 3.0,
        "skip_step": 0,
        "cross_attn": True,
    }
    graph["sound"] = node("GuiderParameters", modality="AUDIO", cfg=7.0, **common)
    graph["sight"] = node("GuiderParameters", modality="VIDEO", cfg=3.0, parameters=["sound", 0], **common)
    links = {key: graph["guider"]["inputs"][key] for key in ("model", "positive", "negative")}
    graph["guider"] = node("MultimodalGuider", **links, parameters=["sight", 0], skip_blocks="29")
    graph["video"]["inputs"]["filename_prefix"] = f"{name}_multi"
    assert latent(studio.outputs(graph)["video"]).tobytes() == plain.tobytes()
