"""Uploads, /view, file names, metadata, and what the engine says about itself."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from tests.contract.preview.preview_client import Engine, probe
from tests.contract.preview.preview_graphs import base, cheap, decode, node


def upload(engine: Engine, name: str, content: bytes, **fields: str) -> Any:
    return engine.http.post("/upload/image", files={"image": (name, content)}, data=fields)


def test_any_file_can_be_uploaded_and_read_back(engine: Engine) -> None:
    answer = upload(engine, "v.latent", b"0123456789", type="input", subfolder="jobs/abc", overwrite="true")
    assert answer.json() == {"name": "v.latent", "subfolder": "jobs/abc", "type": "input"}
    assert (engine.base / "input/jobs/abc/v.latent").read_bytes() == b"0123456789"
    where = {"filename": "v.latent", "subfolder": "jobs/abc", "type": "input"}
    assert engine.http.get("/view", params=where).content == b"0123456789"
    part = engine.http.get("/view", params=where, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")


def test_an_upload_overwrites_only_when_asked(engine: Engine) -> None:
    upload(engine, "twice.png", b"one")
    assert upload(engine, "twice.png", b"one").json()["name"] == "twice.png"
    assert upload(engine, "twice.png", b"two").json()["name"] == "twice (1).png"
    assert upload(engine, "twice.png", b"two", overwrite="true").json()["name"] == "twice.png"


def test_uploads_stay_inside(engine: Engine) -> None:
    assert upload(engine, "x.png", b"x", subfolder="../..").status_code == 400
    assert upload(engine, "x.png", b"x", type="nowhere").status_code == 400
    assert engine.http.post("/upload/image", data={"type": "input"}).status_code == 400


def test_a_body_above_100_mib_is_refused(engine: Engine) -> None:
    answer = engine.http.post("/upload/image", files={"image": ("big.bin", bytes(104857601))})
    assert (answer.status_code, answer.text) == (413, "Maximum request body size 104857600 exceeded.")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"filename": "absent.png"}, 404),
        ({"filename": "../x"}, 400),
        ({"filename": "a..b"}, 400),
        ({"filename": "x", "type": "models"}, 400),
        ({"filename": "x", "subfolder": "../input"}, 403),
        ({}, 400),
    ],
)
def test_view_refuses(engine: Engine, query: dict[str, str], status: int) -> None:
    assert engine.http.get("/view", params=query).status_code == status


def test_names_count_up_and_stay_in_the_output_folder(engine: Engine) -> None:
    first, second = (engine.outputs(cheap(uuid.uuid4().int % 2**24, "sub/a b"))["2"] for _ in range(2))
    assert (first.parent.name, first.name, second.name) == ("sub", "a b_00001_.png", "a b_00002_.png")
    for prefix in ("/elsewhere/x", "../../x"):
        failure = engine.run(cheap(uuid.uuid4().int % 2**24, prefix))["status"]["messages"][-1][1]
        assert failure["exception_type"] == "Exception"
        assert failure["exception_message"].startswith("**** ERROR: Saving image outside the output folder")


def test_latents_and_conditioning_have_the_real_keys_and_shapes(engine: Engine) -> None:
    files = engine.outputs(base("shapes/s", size=(128, 96), frames=25))
    with safe_open(files["video"], framework="numpy") as file:
        assert file.get_slice("latent_tensor").get_shape() == [1, 128, 4, 3, 4]
        assert file.get_slice("latent_tensor").get_dtype() == "F32"
        assert set(file.keys()) == {"latent_tensor", "latent_format_version_0"}
        assert json.loads(file.metadata()["prompt"])["video"]["class_type"] == "SaveLatent"
    with safe_open(files["audio"], framework="numpy") as file:
        assert file.get_slice("latent_tensor").get_shape() == [1, 8, 27, 16]  # ceil(25 / 24 * 25)
    with safe_open(engine.base / "models/embeddings/shapes_s.safetensors", framework="numpy") as file:
        assert file.get_slice("conditioning_data_0").get_shape() == [1, 16, 7680]
        assert file.get_slice("conditioning_data_0").get_dtype() == "BF16"


def test_started_as_a_worker_starts_a_real_one(start: Callable[..., Engine], tmp_path: Path) -> None:
    config = tmp_path / "extra.yaml"
    config.write_text(f"comfyui:\n  base_path: {tmp_path}/input\n  is_default: true\n  embeddings: conditioning\n")
    flags = ["--listen", "127.0.0.1", "--preview-method", "none", "--disable-metadata"]
    engine = start(*flags, "--extra-model-paths-config", str(config))
    files = engine.outputs(base("w/a", prompt="secret words"))
    kept = upload(engine, "pos.safetensors", (tmp_path / "input/conditioning/w_a.safetensors").read_bytes())
    assert kept.status_code == 200
    with safe_open(files["video"], framework="numpy") as file:
        assert not file.metadata()
    video = engine.outputs(decode("w/clip", "w/a"))["save"]
    assert "preview" in probe(video)["format"]["tags"]["comment"]
    assert "prompt" not in probe(video)["format"]["tags"]
    assert "secret" not in (tmp_path / "engine.log").read_text()
    assert "preview" in (tmp_path / "engine.log").read_text()


def test_it_says_that_it_is_the_preview(engine: Engine, recorded: dict[str, Any]) -> None:
    stats = engine.http.get("/system_stats").json()
    assert stats["system"]["comfyui_version"].endswith("+preview")
    assert stats["devices"][0]["name"] == "preview-cpu"
    assert stats["system"].keys() == recorded["system_stats"]["system"].keys()
    assert stats["devices"][0].keys() == recorded["system_stats"]["devices"][0].keys()


def test_object_info_describes_every_node(engine: Engine) -> None:
    told = engine.http.get("/object_info").json()
    one = engine.http.get("/api/object_info/LTXVEmptyLatentAudio").json()["LTXVEmptyLatentAudio"]
    assert one == told["LTXVEmptyLatentAudio"]
    assert one["input"]["required"]["frames_number"] == ["INT", {"default": 97, "min": 1, "max": 1000, "step": 1}]
    assert one["output"] == ["LATENT"]
    assert one["output_node"] is False


def test_a_saved_file_cannot_be_a_joint_latent(engine: Engine) -> None:
    graph = base("joint/a", seed=uuid.uuid4().int % 2**32)
    graph["bad"] = node("SaveLatent", samples=["joint", 0], filename_prefix="joint/b")
    failure = engine.run(graph)["status"]["messages"][-1][1]
    assert failure["exception_type"] == "AttributeError"
    assert "NestedTensor" in failure["exception_message"]
