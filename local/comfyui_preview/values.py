"""What travels along the links of a graph."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from local.comfyui_preview.numerics.arrays import F32, U8
from local.comfyui_preview.numerics.frames import Frames

DEFAULT_FRAME_RATE = 25.0  # what the model falls back to without LTXVConditioning: facts/comfyui.md section 7


@dataclass(frozen=True)
class Model:
    name: str
    loras: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Clip:
    name: str


@dataclass(frozen=True)
class Vae:
    name: str


@dataclass(frozen=True)
class Upscaler:
    name: str


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Text conditioning as bfloat16 bit patterns, shape [1, 1024, 7680] (facts/comfyui.md section 3)."""

    bits: npt.NDArray[np.uint16]
    frame_rate: float = DEFAULT_FRAME_RATE

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.bits).data).digest()

    def at(self, frame_rate: float) -> "Conditioning":
        return replace(self, frame_rate=frame_rate)


@dataclass(frozen=True, eq=False)
class AudioVideo:
    """The nested tensor of a joint latent: the two parts keep their own shapes, and cannot be saved as one."""

    video: F32
    audio: F32


@dataclass(frozen=True, eq=False)
class AudioVideoMask:
    video: F32 | None
    audio: F32 | None


@dataclass(frozen=True, eq=False)
class Latent:
    """Samples [1, 128, T, h, w] (video) or [1, 8, L, 16] (audio), or both; a mask of 0 keeps what is there."""

    samples: F32 | AudioVideo
    mask: F32 | AudioVideoMask | None = None

    def plain(self) -> F32:
        """The samples of a latent that must not be a joint one: AttributeError, as in a real ComfyUI."""
        if isinstance(self.samples, AudioVideo):
            raise AttributeError("'NestedTensor' object has no attribute 'contiguous'")  # noqa: TRY004  ComfyUI's
        return self.samples

    def joint(self) -> AudioVideo:
        """The two parts of a joint latent: AttributeError for a plain one."""
        if not isinstance(self.samples, AudioVideo):
            raise AttributeError("'Tensor' object has no attribute 'unbind'")  # noqa: TRY004  ComfyUI's type
        return self.samples


@dataclass(frozen=True, eq=False)
class Audio:
    """A waveform [2, N] at `rate` Hz."""

    waveform: F32
    rate: int


@dataclass(frozen=True, eq=False)
class Video:
    frames: Frames
    fps: float
    audio: Audio | None


@dataclass(frozen=True)
class Guider:
    model: Model
    positive: Conditioning
    cfg: float


@dataclass(frozen=True)
class Noise:
    seed: int


Image = Frames
Mask = F32  # [H, W], 0..1
Picture = U8  # [H, W, 3]
