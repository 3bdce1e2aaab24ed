"""Tiny weights: the right names, layouts and numbers. That a ComfyUI loads them is for tests/comfyui to show."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from safetensors import deserialize, safe_open

from local import tiny_models
from local.tiny_models.draw import draw, save
from local.tiny_models.lora import lora
from local.tiny_models.tensor import Tensor
from local.tiny_models.text import TOKENIZER
from shared import models

SPEC = Path(__file__).parents[4] / "shared" / "comfyui" / "tiny_models_spec.json"
SAME_LAYOUT = {
    "ltx-2-19b-video-vae.safetensors": "vae/ltx-2-video-vae.safetensors",
    "ltx-2-19b-audio-vae.safetensors": "checkpoints/ltx-2-audio-vae-only.safetensors",
    "ltx-2-19b-dev.safetensors": "checkpoints/ltx-2-19b-distilled.safetensors",
    "ltx-2-19b-dev-fp8.safetensors": "checkpoints/ltx-2-19b-distilled-fp8.safetensors",
}
"""Our file -> the one of the recorded specification that is laid out alike."""
DTYPES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F32": "float32", "U8": "uint8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models")
    tiny_models.write(target)
    return target


def of(folder: Path, role: str) -> Path:
    file = models.file(role)
    return folder / file.folder / file.name


def tensors(path: Path) -> dict[str, Any]:
    return dict(deserialize(path.read_bytes()))


def metadata(path: Path) -> dict[str, Any]:
    with safe_open(path, "np") as file:
        found = file.metadata() or {}
    return {key: json.loads(value) if key == "config" else value for key, value in found.items()}


def bfloat16(tensor: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    halves = np.frombuffer(tensor["data"], "<u2").astype(np.uint32) << 16
    return halves.view(np.float32).reshape(tensor["shape"])


def test_every_row_is_made_or_said_to_be_impossible(folder: Path) -> None:
    impossible = {file.role for file in tiny_models.cannot_be_made()}
    made = {role for role in models.all_files() if of(folder, role).exists()}
    assert made | impossible == set(models.all_files())
    assert not made & impossible


def test_layouts_are_those_that_a_real_comfyui_has_loaded(folder: Path) -> None:
    if not SPEC.exists():
        pytest.skip(f"the recorded specification is not here: {SPEC}")
    spec = json.loads(SPEC.read_text())
    compared = 0
    for role, file in models.all_files().items():
        known = spec.get(SAME_LAYOUT.get(file.name, f"{file.folder}/{file.name}"))
        if known is None or not of(folder, role).exists():
            continue
        compared += 1
        found = tensors(of(folder, role))
        wanted = {key: (dtype, shape) for key, (dtype, shape, *_) in known["tensors"].items() if key != TOKENIZER}
        assert {
            key: (DTYPES[tensor["dtype"]], tensor["shape"]) for key, tensor in found.items() if key != TOKENIZER
        } == wanted
        recorded = known["metadata"] or {}
        assert metadata(of(folder, role)) == {
            key: json.loads(value) if key == "config" else value for key, value in recorded.items()
        }
    assert compared >= 10


def test_split_files_hold_what_their_checkpoint_holds(folder: Path) -> None:
    whole = tensors(of(folder, "checkpoint/dev/fp8"))
    for role, prefix in (("video_vae", "vae."), ("audio_vae", "")):
        for key, tensor in tensors(of(folder, role)).items():
            assert tensor == whole[prefix + key], key
    other = tensors(of(folder, "checkpoint/distilled/fp8"))
    key = "model.diffusion_model.patchify_proj.weight"
    assert whole[key] != other[key]


def test_numbers_are_a_fresh_network_s_and_finite(folder: Path) -> None:
    for key, tensor in tensors(of(folder, "checkpoint/dev/full")).items():
        values = bfloat16(tensor)
        assert np.isfinite(values).all(), key
        if key.endswith("_norm.weight"):
            assert (values == 1).all(), key
        elif len(values.shape) > 1 and key.endswith(".weight") and values.size > 10_000:
            fan_in = float(np.prod(values.shape[1:]))
            assert values.std() == pytest.approx(fan_in**-0.5, rel=0.05), key


def test_the_same_seed_gives_the_same_file_and_another_another(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        save(path, draw(lora(), seed=seed, salt="x"), {})
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_rounding_to_fewer_bits_is_to_the_nearest(tmp_path: Path) -> None:
    for dtype, wanted in (("bfloat16", struct.pack("<H", 0x3EAB)), ("float8_e4m3fn", b"\x2b")):  # 1/3
        layout = {"x": Tensor((1,), 0.0, 1 / 3, dtype), "y": Tensor((1,), 0.0, -1000.0, dtype)}  # type: ignore[arg-type]
        save(tmp_path / "x", draw(layout, seed=0), {})
        found = tensors(tmp_path / "x")
        assert bytes(found["x"]["data"]) == wanted
    assert bytes(found["y"]["data"]) == b"\xfe"  # as far as 8 bits go: -448


def test_the_tokenizer_inside_takes_any_text(folder: Path) -> None:
    inside = tensors(of(folder, "text_encoder/full"))[TOKENIZER]
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=bytes(inside["data"]))
    assert (tokenizer.pad_id(), tokenizer.eos_id(), tokenizer.bos_id(), tokenizer.unk_id()) == (0, 1, 2, 3)
    text = "a lighthouse, 灯台, 🌊"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("<start_of_turn>user<end_of_turn>")) < 8


def test_the_folder_form_holds_the_single_file_s_numbers_and_tokens(folder: Path) -> None:
    single = tensors(of(folder, "text_encoder/full"))
    tokenizer = single.pop(TOKENIZER)
    where = json.loads(of(folder, "text_encoder/folder/model.safetensors.index.json").read_text())["weight_map"]
    found: dict[str, Any] = {}
    for number in range(1, 6):
        path = of(folder, f"text_encoder/folder/{number}")
        shard = tensors(path)
        assert all(where[key] == path.name for key in shard)
        found |= shard
    assert found == {f"language_model.{key}": tensor for key, tensor in single.items()}
    assert of(folder, "text_encoder/folder/tokenizer.model").read_bytes() == bytes(tokenizer["data"])
    fast = json.loads(of(folder, "text_encoder/folder/tokenizer.json").read_text())["model"]
    pieces = {left + right for left, right in fast["merges"]}
    assert pieces <= set(fast["vocab"])
    assert len(pieces) > 1000


def test_the_command_says_what_it_made_and_what_it_cannot(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.tiny_models", "--target", folder], capture_output=True, text=True, check=True
    )
    assert f"{len(models.all_files()) - len(tiny_models.cannot_be_made())} files" in done.stdout
    assert done.stdout.count("cannot be made") == len(tiny_models.cannot_be_made())
