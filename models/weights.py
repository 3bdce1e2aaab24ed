"""The head of a safetensors file: enough to know whether the file is whole, and where each tensor lies.

Format: 8 bytes, little-endian: the length n of the header; n bytes of JSON; the tensors without a gap.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LENGTH = struct.Struct("<Q")
MAX_HEADER = 100_000_000
"""The limit of the format's own library."""


class Tensor(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    data_offsets: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
    """First byte and the one after the last, counted from the end of the header."""


class Header(BaseModel):
    model_config = ConfigDict(frozen=True)

    length: int
    """Of the JSON."""
    metadata: dict[str, str]
    tensors: dict[str, Tensor]

    @property
    def data_start(self) -> int:
        return LENGTH.size + self.length

    @property
    def file_bytes(self) -> int:
        """How long the whole file has to be."""
        return self.data_start + max((tensor.data_offsets[1] for tensor in self.tensors.values()), default=0)


class BrokenWeightsError(ValueError):
    """This is no whole safetensors file; the message says why."""


def header_length(start: bytes) -> int:
    """From the first 8 bytes."""
    if len(start) < LENGTH.size:
        raise BrokenWeightsError("shorter than 8 bytes")
    (length,) = LENGTH.unpack(start[: LENGTH.size])
    if not 2 <= length <= MAX_HEADER:
        raise BrokenWeightsError(f"its header would be {length} bytes long")
    return int(length)


def parse(text: bytes) -> Header:
    """The JSON after them."""
    try:
        rows: dict[str, Any] = json.loads(text)
        metadata = rows.pop("__metadata__", None) or {}
        return Header(length=len(text), metadata=metadata, tensors={key: Tensor(**row) for key, row in rows.items()})
    except (ValueError, TypeError, AttributeError, ValidationError, RecursionError) as error:
        raise BrokenWeightsError("its header is no header of a safetensors file") from error


def check(path: Path) -> None:
    """BrokenWeightsError unless the file is exactly as long as its own header says."""
    with path.open("rb") as file:
        found = parse(file.read(header_length(file.read(LENGTH.size))))
    size = path.stat().st_size
    if size != found.file_bytes:
        raise BrokenWeightsError(f"{size} bytes long, and its header speaks of {found.file_bytes}")


def build(tensors: Mapping[str, tuple[str, tuple[int, ...], int]], metadata: Mapping[str, str]) -> bytes:
    """A header for tensors that follow in this order: name -> (dtype, shape, bytes). Padded to 8 bytes, as usual."""
    rows: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name, (dtype, shape, size) in tensors.items():
        rows[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return LENGTH.pack(len(text)) + text
