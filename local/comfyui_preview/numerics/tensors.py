"""Tensors of safetensors files, of types that numpy lacks too."""

from pathlib import Path

import numpy as np
from safetensors import deserialize

from local.comfyui_preview.numerics.arrays import F32, f32

_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read(path: Path, name: str) -> F32:
    """One tensor as float32, as `.float()` makes it; KeyError for a name or a type that is not known."""
    found = dict(deserialize(path.read_bytes()))[name]
    values = np.frombuffer(found["data"], _TYPES[found["dtype"]]).reshape(found["shape"])
    if found["dtype"] == "BF16":  # the upper half of a float32
        return (values.astype(np.uint32) << 16).view(np.float32)
    return f32(values)
