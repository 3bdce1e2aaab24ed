"""Latents and conditioning as ComfyUI writes them: safetensors, checked before anything is shipped.

Names and types: facts/comfyui.md section 3. A `.latent` file is a safetensors file.
"""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from shared.contracts.vocabulary import Frozen
from shared.errors import FatalError

LATENT = "latent_tensor"
CONDITIONING = "conditioning_data_0"

_EXPONENT: dict[
    str, tuple[str, int]
] = {  # dtype -> (unsigned type of its width, exponent bits): all ones there means NaN or infinity
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F800000),
}


class LatentFacts(Frozen):
    shape: tuple[int, ...]
    dtype: str


def inspect(path: Path, tensor: str) -> LatentFacts:
    """Shape and dtype of one tensor of a file; FatalError bad_output when it is missing, unreadable or not finite."""
    try:
        found = dict(deserialize(path.read_bytes()))
    except SafetensorError as error:
        raise FatalError("bad_output", f"ComfyUI wrote {path.name}, which is no safetensors file") from error
    if tensor not in found:
        raise FatalError("bad_output", f"{path.name} lacks the tensor {tensor}; it has {sorted(found)}")
    facts = LatentFacts(shape=tuple(found[tensor]["shape"]), dtype=found[tensor]["dtype"])
    _require_finite(found[tensor], facts, path.name)
    return facts


def _require_finite(tensor: dict[str, Any], facts: LatentFacts, name: str) -> None:
    if facts.dtype not in _EXPONENT:
        raise FatalError("bad_output", f"{name} holds {facts.dtype}, not one of {sorted(_EXPONENT)}")
    unsigned, exponent = _EXPONENT[facts.dtype]
    bits = np.frombuffer(tensor["data"], dtype=np.dtype(unsigned))
    wrong = int(np.count_nonzero((bits & exponent) == exponent))
    if wrong:
        raise FatalError("bad_output", f"{name} holds {wrong} values that are not finite", values=wrong)
