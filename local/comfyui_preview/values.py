"""What travels along the links of a graph."""

import hashlib
import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from local.comfyui_preview.numerics.arrays import F32, U8
from local.comfyui_preview.numerics.frames import Frames

DEFAULT_FRAME_RATE = 25.0  # what the model falls back to without LTXVConditioning: facts/comfyui.md section 7


@dataclass(frozen=True)
class Model:
    """A model by its file name, with (file name, strength) of each LoRA. What a LoRA does is told by its name."""

    name: str
    loras: tuple[tuple[str, float], ...] = ()

    def with_lora(self, name: str, strength: float) -> "Model":
        return replace(self, loras=(*self.loras, (name, strength)))

    def _ic_loras(self) -> list[tuple[str, float]]:
        return [(name, strength) for name, strength in self.loras if "ic-lora" in name]

    @property
    def control(self) -> float:
        """How strongly a guide is followed: the strength of the IC-LoRAs that read one; 0 without."""
        return sum(strength for name, strength in self._ic_loras() if "detailer" not in name)

    @property
    def detailer(self) -> float:
        return sum(strength for name, strength in self._ic_loras() if "detailer" in name)

    @property
    def reference_downscale(self) -> int:
        """How much smaller the IC-LoRA wants its guide: "ref0.5" is 2. A real server reads it from the metadata."""
        found = [re.search(r"ref(\d*\.\d+)", name) for name, _ in self._ic_loras()]
        return next((round(1 / float(match[1])) for match in found if match), 1)


@dataclass(frozen=True)
class Clip:
    name: str


@dataclass(frozen=True)
class Vae:
    name: str


@dataclass(frozen=True)
class Upscaler:
    name: str


@dataclass(frozen=True)
class Guide:
    """Where the frames of a guide belong: at the end of the latent stand `count` frames for those from `first` on."""

    first: int
    count: int
    strength: float


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Text conditioning as bfloat16 bit patterns, shape [1, tokens, 7680] (facts/comfyui.md section 3), and guides."""

    bits: npt.NDArray[np.uint16]
    frame_rate: float = DEFAULT_FRAME_RATE
    guides: tuple[Guide, ...] = ()

    @property
    def guide_frames(self) -> int:
        """How many latent frames at the end of the latent are guides."""
        return sum(guide.count for guide in self.guides)

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

    @property
    def sound(self) -> tuple[F32, int]:
        return self.waveform, self.rate


@dataclass(frozen=True, eq=False)
class Video:
    frames: Frames
    fps: float
    audio: Audio | None


@dataclass(frozen=True)
class Guider:
    """`negative` is None where cfg 1 makes it never evaluated (facts/comfyui.md section 2)."""

    model: Model
    positive: Conditioning
    negative: Conditioning | None = None
    cfg: float = 1.0


@dataclass(frozen=True)
class Noise:
    seed: int


Image = Frames
Mask = F32  # [H, W], 0..1
Picture = U8  # [H, W, 3]
