"""Text conditioning: a tensor of the real shape that only depends on the prompt, saved and loaded as LTXVideo does."""

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import TensorSpec, deserialize, serialize_file

from local.comfyui_preview.engine.inputs import choice, embedding_file, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result, content_of
from local.comfyui_preview.folders import Folders, OutsideError
from local.comfyui_preview.values import Clip, Conditioning

_TOKENS = 16
"""Any number is legal. The 1,024 of a real one are 15 MB, to be written, hashed, sent and fetched for nothing here."""
_WIDTH = 7680
"""Of the processed text conditioning of the 19B checkpoint (facts/comfyui.md section 3)."""


class CLIPTextEncode(Node):
    inputs = takes(text=text(multiline=True), clip=link("CLIP"))
    outputs = (("CONDITIONING", "CONDITIONING"),)

    def run(self, *, text: str, clip: Clip | None) -> Result:
        if clip is None:  # the CLIP of an LTX-2 checkpoint
            raise RuntimeError("ERROR: clip input is invalid: None")
        seed = hashlib.sha256(f"{clip.name}\0{text}".encode()).digest()
        noise = np.random.Philox(list(seed)).random_raw(_TOKENS * _WIDTH // 4).view(np.uint16)
        bits = (noise & np.uint16(0x807F)) | np.uint16(0x3F00)  # bfloat16 values of size 0.5 to 1, either sign
        return Result((Conditioning(bits.reshape(1, _TOKENS, _WIDTH)),))


class LTXVConditioning(Node):
    inputs = takes(
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        frame_rate=number(25.0, 0.0, 1000.0, 0.01),
    )
    outputs = (("CONDITIONING", "positive"), ("CONDITIONING", "negative"))

    def run(self, *, positive: Conditioning, negative: Conditioning, frame_rate: float) -> Result:
        return Result((positive.at(frame_rate), negative.at(frame_rate)))


class ConditioningZeroOut(Node):
    inputs = takes(conditioning=link("CONDITIONING"))
    outputs = (("CONDITIONING", "CONDITIONING"),)

    def run(self, *, conditioning: Conditioning) -> Result:
        return Result((Conditioning(np.zeros_like(conditioning.bits), conditioning.frame_rate),))


class LTXVSaveConditioning(Node):
    """No counter: it overwrites. Frame rate and guides are not kept (facts/comfyui.md section 3)."""

    inputs = takes(
        conditioning=link("CONDITIONING"),
        filename=text("conditioning"),
        dtype=choice("bfloat16", "float16"),
    )
    is_output = True

    def run(self, *, conditioning: Conditioning, filename: str, dtype: str) -> Result:
        name = re.sub(r"[^\w\-.]", "", filename.removesuffix(".safetensors")) or "conditioning"
        path = self.job.folders.embeddings / f"{name}.safetensors"
        data = conditioning.bits
        if dtype == "float16":  # exact: the values of the preview have 7 bits and lie in 0.5 to 1, or are 0
            data = (data.astype(np.uint32) << 16).view(np.float32).astype(np.float16).view(np.uint16)
        data = np.ascontiguousarray(data)  # must outlive the call: its address is passed
        tensor = TensorSpec(dtype=dtype, shape=data.shape, data_ptr=data.ctypes.data, data_len=data.nbytes)
        about = {"num_conditionings": "1", "dtype": dtype, "created_at": time.strftime("%Y-%m-%dT%H:%M:%S")}
        serialize_file({"conditioning_data_0": tensor}, str(path), about)
        megabytes = path.stat().st_size / 1024**2
        return Result((), {"text": [f"Saved: {path.name} ({megabytes:.2f} MB)"]})


def _embedding(folders: Folders, name: str) -> Path:
    path = folders.inside(folders.embeddings, name)
    return path if path.suffix else path.with_suffix(".safetensors")


class LTXVLoadConditioning(Node):
    inputs = takes(file_name=embedding_file(), device=choice("cpu", "gpu"))
    outputs = (("CONDITIONING", "CONDITIONING"),)
    judged = ("file_name", "device")

    @classmethod
    def problem(cls, folders: Folders, literals: dict[str, Any]) -> str | None:
        try:
            there = _embedding(folders, literals["file_name"]).is_file()
        except OutsideError:
            there = False
        return None if there else f"Invalid file: {literals['file_name']}"

    @classmethod
    def fingerprint(cls, folders: Folders, literals: dict[str, Any]) -> str:
        return content_of(_embedding(folders, literals["file_name"]))

    def run(self, *, file_name: str, **_: Any) -> Result:
        tensors = dict(deserialize(_embedding(self.job.folders, file_name).read_bytes()))
        tensor = tensors["conditioning_data_0"]
        bits = np.frombuffer(tensor["data"], np.uint16).reshape(tensor["shape"])
        if tensor["dtype"] == "F16":
            bits = (bits.view(np.float16).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return Result((Conditioning(bits),))


def graph_metadata(graph: dict[str, Any], *, disabled: bool) -> dict[str, str]:
    """The metadata that ComfyUI writes into every file unless --disable-metadata is given: the whole graph."""
    return {} if disabled else {"prompt": json.dumps(graph)}
