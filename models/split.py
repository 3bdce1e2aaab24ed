"""The temporal stage's small files, cut out of a checkpoint by ranges: no tensor passes through memory whole.

What ComfyUI wants of them (facts/comfyui.md section 3, executed): the video VAE without its prefix, the audio VAE and
the vocoder with theirs, both with the checkpoint's own metadata, from which their shapes are read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import structlog

from models import places, weights
from models.answers import Address, ChangedError
from models.web import Sink, Web
from models.weights import Header, Tensor
from shared.errors import FatalError, TransientError

log = structlog.get_logger(__name__)

CHUNK = 4 << 20


class Source(Protocol):
    """A checkpoint, wherever it is."""

    def read(self, start: int, end: int, sink: Sink) -> None:
        """Bytes [start, end), in order."""


class LocalSource:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, start: int, end: int, sink: Sink) -> None:
        with self._path.open("rb") as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(CHUNK, end - start))
                if not piece:
                    raise weights.BrokenWeightsError(f"{self._path.name} ends at byte {start}")
                sink(piece)
                start += len(piece)


class WebSource:
    """By ranges; a server without them would have to send the whole checkpoint."""

    def __init__(self, web: Web, address: Address) -> None:
        self._web, self._address = web, address
        self._seen = web.look(address)
        if not self._seen.ranges:
            raise FatalError("model_missing", f"{address.label}: the server gives no ranges; fetch it whole first")

    def read(self, start: int, end: int, sink: Sink) -> None:
        try:
            self._web.read(self._address, self._seen, start, end, sink)
        except ChangedError as error:
            raise TransientError("connection_lost", f"{self._address.label} changed while it was read") from error


@dataclass(frozen=True)
class Cut:
    """What of a checkpoint goes into one file."""

    prefixes: tuple[str, ...]
    keep_prefix: bool

    def name(self, key: str) -> str | None:
        """Under which name a tensor goes in; None where it does not."""
        for prefix in self.prefixes:
            if key.startswith(prefix):
                return key if self.keep_prefix else key.removeprefix(prefix)
        return None


CUTS: Mapping[str, Cut] = {
    "video_vae": Cut(("vae.",), keep_prefix=False),
    "audio_vae": Cut(("audio_vae.", "vocoder."), keep_prefix=True),
}
"""Role in models.toml -> what is cut."""


def read_header(source: Source) -> Header:
    """FatalError when this is no checkpoint."""
    try:
        length = weights.header_length(_bytes(source, 0, weights.LENGTH.size))
        return weights.parse(_bytes(source, weights.LENGTH.size, weights.LENGTH.size + length))
    except weights.BrokenWeightsError as error:
        raise FatalError("model_missing", f"the checkpoint cannot be split: {error}") from error


def cut(source: Source, header: Header, role: str, target: Path) -> None:
    """Write one file, which appears only when whole. FatalError when the checkpoint lacks that part."""
    chosen = _chosen(header, CUTS[role])
    if not chosen or "config" not in header.metadata:
        raise FatalError("model_missing", f"the checkpoint holds no {role}: is it a whole one of LTX-2?")
    rows = {name: (tensor.dtype, tensor.shape, _length(tensor)) for name, tensor in chosen}
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        with fresh.open("wb") as file:
            file.write(weights.build(rows, header.metadata))
            for start, end in _runs(header, [tensor for _, tensor in chosen]):
                source.read(start, end, _writing(file.write))
        weights.check(fresh)
        fresh.replace(target)
    except weights.BrokenWeightsError as error:
        raise FatalError("model_missing", f"the checkpoint cannot be split: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    log.info("model_split", file=target.name, tensors=len(chosen), sha256=places.sha256(target))


def _chosen(header: Header, how: Cut) -> list[tuple[str, Tensor]]:
    """In the order in which they lie, so that one run of bytes often serves many tensors."""
    named = [(how.name(key), tensor) for key, tensor in header.tensors.items()]
    return sorted(((name, tensor) for name, tensor in named if name is not None), key=lambda row: row[1].data_offsets)


def _length(tensor: Tensor) -> int:
    return tensor.data_offsets[1] - tensor.data_offsets[0]


def _runs(header: Header, tensors: list[Tensor]) -> Iterator[tuple[int, int]]:
    """Ranges of the file, neighbours joined."""
    start = end = -1
    for tensor in tensors:
        first, last = (header.data_start + offset for offset in tensor.data_offsets)
        if first != end and end > start:
            yield start, end
        if first != end:
            start = first
        end = last
    if end > start:
        yield start, end


def _bytes(source: Source, start: int, end: int) -> bytes:
    pieces: list[bytes] = []
    source.read(start, end, pieces.append)
    return b"".join(pieces)


def _writing(write: Callable[[bytes], int]) -> Sink:
    def put(piece: bytes) -> None:
        write(piece)

    return put
