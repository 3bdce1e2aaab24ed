"""Latents and conditioning as ComfyUI writes them: safetensors, checked and narrowed before anything is shipped.

Names and types: facts/comfyui.md section 3. A `.latent` file is a safetensors file. ComfyUI writes latents as float32,
and reads any type (LoadLatent ends in `.float()`); the models compute in bfloat16: see docs/adr/0005.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from shared.contracts.vocabulary import Frozen
from shared.errors import FatalError

LATENT = "latent_tensor"
CONDITIONING = "conditioning_data_0"

CHUNK = 1 << 18
"""Values looked at at a time: 1 MiB of float32, which the processor's cache holds."""

_EXPONENT: dict[
    str, tuple[str, int]
] = {  # dtype -> (unsigned type of its width, exponent bits): all ones there means NaN or infinity
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F800000),
}
_INFINITY_F32 = np.uint32(0x7F800000)
_NAN_BF16 = np.uint16(0x7FC0)


class LatentFacts(Frozen):
    shape: tuple[int, ...]
    dtype: str


def inspect(path: Path, tensor: str) -> LatentFacts:
    """Shape and dtype of one tensor of a file; FatalError bad_output when it is missing, unreadable or not finite."""
    layout = _layout(path, tensor)
    with path.open("rb") as file:
        wrong = sum(_not_finite(chunk, layout.facts.dtype) for chunk in _values(file, layout))
    _require_finite(wrong, path)
    return layout.facts


def narrow(path: Path, tensor: str) -> LatentFacts:
    """The same, and a float32 tensor is bfloat16 afterwards, in the same file: half the bytes to move and to keep.

    Rounded to nearest, ties to even, as torch does. All else in the file stays: the other tensors and the metadata.
    A value too large for bfloat16 counts as not finite.
    """
    layout = _layout(path, tensor)
    if layout.facts.dtype != "F32":
        return inspect(path, tensor)
    part, wrong = path.with_name(f"{path.name}.bf16"), 0
    with path.open("rb") as file, part.open("wb") as target:
        target.write(layout.narrowed())
        for name in layout.order():
            if name == tensor:
                for chunk in _values(file, layout):
                    rounded = bfloat16(chunk)
                    wrong += _not_finite(rounded, "BF16")
                    target.write(rounded.tobytes())
            else:
                target.write(layout.bytes_of(file, name))
    _require_finite(wrong, path)
    part.replace(path)
    return layout.facts.model_copy(update={"dtype": "BF16"})


def bfloat16(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """The bits of float32 values -> those of the nearest bfloat16, of two equally near ones the even; NaN stays NaN."""
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = ((bits + (even + np.uint32(0x7FFF))) >> np.uint32(16)).astype(np.uint16)
    rounded[(bits & np.uint32(0x7FFFFFFF)) > _INFINITY_F32] = _NAN_BF16
    return rounded


@dataclass(frozen=True)
class _Layout:
    """Where things are in a safetensors file: 8 bytes of length, that much JSON, then the tensors."""

    facts: LatentFacts
    tensor: str
    begin: int
    header: dict[str, Any]

    def span(self, name: str) -> tuple[int, int]:
        """Of a tensor in the file."""
        begin, end = self.header[name]["data_offsets"]
        return self.begin + begin, self.begin + end

    def order(self) -> list[str]:
        """The other tensors keep their order, and the narrowed one is the last: then all stay aligned."""
        others = [name for name in self.header if name not in {"__metadata__", self.tensor}]
        return [*sorted(others, key=self.span), self.tensor]

    def bytes_of(self, file: IO[bytes], name: str) -> bytes:
        begin, end = self.span(name)
        file.seek(begin)
        return file.read(end - begin)

    def narrowed(self) -> bytes:
        """The length and the JSON of the file whose tensor is bfloat16."""
        header, at = {"__metadata__": self.header["__metadata__"]} if "__metadata__" in self.header else {}, 0
        for name in self.order():
            begin, end = self.span(name)
            size = (end - begin) // 2 if name == self.tensor else end - begin
            changed = {"dtype": "BF16"} if name == self.tensor else {}
            header[name] = {**self.header[name], **changed, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text = text.ljust(-(-len(text) // 8) * 8)
        return struct.pack("<Q", len(text)) + text


def _layout(path: Path, tensor: str) -> _Layout:
    try:
        with safe_open(path, "np") as checked:  # the library knows a header that lies
            names = checked.keys()
    except SafetensorError as error:
        raise FatalError("bad_output", f"ComfyUI wrote {path.name}, which is no safetensors file") from error
    if tensor not in names:
        raise FatalError("bad_output", f"{path.name} lacks the tensor {tensor}; it has {sorted(names)}")
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    facts = LatentFacts(shape=tuple(header[tensor]["shape"]), dtype=header[tensor]["dtype"])
    if facts.dtype not in _EXPONENT:
        raise FatalError("bad_output", f"{path.name} holds {facts.dtype}, not one of {sorted(_EXPONENT)}")
    return _Layout(facts, tensor, 8 + length, header)


def _values(file: IO[bytes], layout: _Layout) -> Iterator[npt.NDArray[Any]]:
    """The tensor's bits, chunk by chunk."""
    unsigned = np.dtype(_EXPONENT[layout.facts.dtype][0])
    begin, end = layout.span(layout.tensor)
    file.seek(begin)
    left = (end - begin) // unsigned.itemsize
    while left:
        chunk = np.frombuffer(file.read(min(CHUNK, left) * unsigned.itemsize), unsigned)
        left -= chunk.size
        yield chunk


def _not_finite(bits: npt.NDArray[Any], dtype: str) -> int:
    exponent = _EXPONENT[dtype][1]
    return int(np.count_nonzero((bits & bits.dtype.type(exponent)) == exponent))


def _require_finite(wrong: int, path: Path) -> None:
    if wrong:
        raise FatalError("bad_output", f"{path.name} holds {wrong} values that are not finite", values=wrong)
