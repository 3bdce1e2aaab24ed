"""shared/models.toml -> one small file for each of its rows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from local.tiny_models import config, folder
from local.tiny_models.audio import audio_vae, vocoder
from local.tiny_models.depth import depth
from local.tiny_models.draw import Drawn, draw, raw, save
from local.tiny_models.lora import lora
from local.tiny_models.tensor import Layout, Tensor
from local.tiny_models.text import TOKENIZER, gemma, tokenizer
from local.tiny_models.transformer import text_projection, transformer
from local.tiny_models.video import upscaler, video_vae
from shared import models
from shared.models import ModelFile

SEED = 20260

Tensors = Mapping[str, tuple[Tensor, Drawn]]


class Content(NamedTuple):
    """Of one file."""

    tensors: Tensors
    metadata: dict[str, str]


Make = Callable[[ModelFile, int], Content | bytes]
"""(row, seed) -> a weight file, or the bytes of another."""


def write(target: Path, *, seed: int = SEED) -> list[Path]:
    """Every file that can be made, below `target` (ComfyUI's models/); those that are there stay as they are."""
    paths = []
    for file in models.all_files().values():
        make = _maker(file)
        if make is None:
            continue
        path = target / file.folder / file.name
        if not path.exists():
            _put(path, make(file, seed))
        paths.append(path)
    return paths


def _put(path: Path, content: Content | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, *content)


def cannot_be_made() -> list[ModelFile]:
    """Rows of models.toml that nothing here knows how to imitate."""
    return [file for file in models.all_files().values() if _maker(file) is None]


def _maker(file: ModelFile) -> Make | None:
    if file.folder == "loras":
        return _lora
    for role, make in MAKERS.items():
        if fnmatch(file.role, role):
            return make
    return None


def _checkpoint(file: ModelFile, seed: int) -> Content:
    """Dev and distilled differ in the transformer only; the fp8 files hold the same numbers, rounded."""
    _, kind, precision = file.role.split("/")
    layout = transformer()
    if precision == "fp8":
        layout = {key: _eight_bits(key, tensor) for key, tensor in layout.items()}
    tensors = {
        **draw(layout, seed=seed, salt=kind),
        **draw(text_projection(), seed=seed),
        **{f"vae.{key}": drawn for key, drawn in _video(seed).items()},
        **_audio(seed),
    }
    return Content(tensors, config.checkpoint_metadata())


def _eight_bits(key: str, tensor: Tensor) -> Tensor:
    """What the fp8 checkpoints store in 8 bits: the matrices of the transformer's blocks."""
    if ".transformer_blocks." in key and key.endswith(".weight") and len(tensor.shape) == 2:
        return replace(tensor, dtype="float8_e4m3fn")
    return tensor


def _video(seed: int) -> Tensors:
    return draw(video_vae(), seed=seed, prefix="vae.")


def _audio(seed: int) -> Tensors:
    return draw({**audio_vae(), **vocoder()}, seed=seed)


def _slim_video(_: ModelFile, seed: int) -> Content:
    """As split from a checkpoint: keys without their prefix, metadata whole (facts/comfyui.md section 3)."""
    return Content(_video(seed), config.checkpoint_metadata())


def _slim_audio(_: ModelFile, seed: int) -> Content:
    """As split from a checkpoint: keys with their prefixes."""
    return Content(_audio(seed), config.checkpoint_metadata())


def _upscaler(file: ModelFile, seed: int) -> Content:
    spatial = file.role == "upscaler/spatial"
    return Content(
        draw(upscaler(spatial=spatial), seed=seed, salt=file.role), config.upscaler_metadata(spatial=spatial)
    )


def _lora(file: ModelFile, seed: int) -> Content:
    return Content(draw(lora(), seed=seed, salt=file.name), {})


def _depth(file: ModelFile, seed: int) -> Content:
    return Content(draw(depth(), seed=seed, salt=file.role), {})


def _text_encoder(file: ModelFile, seed: int) -> Content:
    layout = gemma()
    tensors = _scaled(layout, seed) if file.role.endswith("/fp8") else draw(layout, seed=seed)
    return Content({**tensors, TOKENIZER: raw(tokenizer())}, {})


def _shard(file: ModelFile, seed: int) -> Content:
    drawn = draw(folder.shard(int(file.role.rpartition("/")[2])), seed=seed)
    return Content({folder.saved(key): tensor for key, tensor in drawn.items()}, {"format": "pt"})


def _scaled(layout: Layout, seed: int) -> dict[str, tuple[Tensor, Drawn]]:
    """ComfyUI's scaled fp8: matrices of the layers in 8 bits, each with a scale and a note that says so."""
    found: dict[str, tuple[Tensor, Drawn]] = {}
    note = raw(json.dumps({"format": "float8_e4m3fn"}).encode())
    for key, tensor in layout.items():
        if ".layers." not in key or len(tensor.shape) != 2:
            found |= draw({key: tensor}, seed=seed)
            continue
        stem = key.removesuffix(".weight")
        scale = tensor.std
        found |= draw({key: Tensor(tensor.shape, 1.0, dtype="float8_e4m3fn")}, seed=seed)
        found[f"{stem}.weight_scale"] = (Tensor((), 0.0, scale, "float32"), np.array(scale, np.float32))
        found[f"{stem}.comfy_quant"] = note
    return found


MAKERS: dict[str, Make] = {
    "checkpoint/*": _checkpoint,
    "video_vae": _slim_video,
    "audio_vae": _slim_audio,
    "text_encoder/full": _text_encoder,
    "text_encoder/fp8": _text_encoder,
    "text_encoder/folder/[1-5]": _shard,
    "text_encoder/folder/model.safetensors.index.json": lambda *_: folder.text(folder.index()),
    "text_encoder/folder/config.json": lambda *_: folder.text(folder.config()),
    "text_encoder/folder/tokenizer.model": lambda *_: tokenizer(),
    "text_encoder/folder/tokenizer.json": lambda *_: folder.text(folder.fast_tokenizer()),
    "text_encoder/folder/tokenizer_config.json": lambda *_: folder.text(folder.tokenizer_config()),
    "text_encoder/folder/preprocessor_config.json": lambda *_: folder.text(folder.preprocessor_config()),
    "upscaler/*": _upscaler,
    "map/depth": _depth,
}
"""Pattern of roles -> what makes such a file; LoRAs are all alike and need no row."""
