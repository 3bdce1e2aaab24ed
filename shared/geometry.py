"""Sizes, frames and latent shapes. Pure and exact: nothing here rounds silently.

Source of the rules: facts/ltx2.md section 1 (sizes are multiples of 32, two-pass sizes of 64; frames are 8n+1;
a video latent is [1, 128, (F-1)/8+1, H/32, W/32]; an audio latent is [1, 8, L, 16] at 25 latents a second).
"""

from dataclasses import dataclass
from math import ceil

from shared.contracts.vocabulary import Resolution

FPS = 24
"""Frames a second of every sampled video; temporal upscaling doubles it."""

SPATIAL_FACTOR = 32  # pixels of one latent cell, each way
TEMPORAL_FACTOR = 8  # frames of one latent frame, after the first
LATENT_CHANNELS = 128
AUDIO_LATENTS_PER_SECOND = 25  # 16 kHz / hop 160 / 4
AUDIO_CHANNELS = 8
AUDIO_BINS = 16

PAID_DURATIONS = (10, 15, 20)
DRAFT_DURATIONS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Size:
    """Pixels."""

    width: int
    height: int

    def half(self) -> "Size":
        return Size(self.width // 2, self.height // 2)


@dataclass(frozen=True)
class Crop:
    """The rectangle, in pixels of the generated frame, that is delivered."""

    width: int
    height: int
    x: int
    y: int


@dataclass(frozen=True)
class Tier:
    """What is generated, and what of it is delivered.

    The generated height is the next legal one above 16:9, so that the crop removes only padding.
    """

    deliver: Size
    generate: Size

    def half(self) -> "Tier":
        """The first of two passes: half the size each way."""
        return Tier(self.deliver.half(), self.generate.half())

    @property
    def crop(self) -> Crop:
        return Crop(
            width=self.deliver.width,
            height=self.deliver.height,
            x=(self.generate.width - self.deliver.width) // 2,
            y=(self.generate.height - self.deliver.height) // 2,
        )


TIERS: dict[Resolution, Tier] = {
    Resolution.HD: Tier(deliver=Size(1280, 720), generate=Size(1280, 768)),
    Resolution.FULL_HD: Tier(deliver=Size(1920, 1080), generate=Size(1920, 1088)),
    Resolution.DRAFT: Tier(deliver=Size(256, 144), generate=Size(256, 192)),
}
"""facts/ltx2.md section 1.2."""


@dataclass(frozen=True)
class Clip:
    """Frames and seconds of one video: `generate` frames are sampled, the first `deliver` of them are kept."""

    generate: int
    deliver: int
    fps: int
    seconds: int

    def doubled(self) -> "Clip":
        """After temporal x2: F frames become 2F-1, at twice the rate; the seconds stay."""
        return Clip(2 * self.generate - 1, 2 * self.deliver, 2 * self.fps, self.seconds)


def clip(seconds: int) -> Clip:
    """The clip of `seconds` as it is sampled: one frame more than is delivered makes 8n+1."""
    return Clip(generate=FPS * seconds + 1, deliver=FPS * seconds, fps=FPS, seconds=seconds)


def tier(resolution: Resolution, *, half: bool) -> Tier:
    full = TIERS[resolution]
    return full.half() if half else full


def durations(resolution: Resolution) -> tuple[int, ...]:
    """The seconds that may be asked for."""
    return DRAFT_DURATIONS if resolution is Resolution.DRAFT else PAID_DURATIONS


def latent_frames(frames: int) -> int:
    """Frames of a video latent; ValueError for a number of frames that is not 8n+1."""
    if frames % TEMPORAL_FACTOR != 1:
        raise ValueError(f"{frames} frames is not 8n+1")
    return (frames - 1) // TEMPORAL_FACTOR + 1


def video_latent_shape(size: Size, frames: int) -> tuple[int, int, int, int, int]:
    """[batch, channels, frames, height, width] of the latent; ValueError for an illegal size or length."""
    if size.width % SPATIAL_FACTOR or size.height % SPATIAL_FACTOR:
        raise ValueError(f"{size.width}x{size.height} is not a multiple of {SPATIAL_FACTOR}")
    return (1, LATENT_CHANNELS, latent_frames(frames), size.height // SPATIAL_FACTOR, size.width // SPATIAL_FACTOR)


def audio_latent_length(frames: int, fps: int = FPS) -> int:
    """Latents of the sound of a clip, as ComfyUI makes them: it rounds up (facts/ltx2.md section 1.4)."""
    return ceil(frames / fps * AUDIO_LATENTS_PER_SECOND)


def audio_latent_shape(frames: int, fps: int = FPS) -> tuple[int, int, int, int]:
    return (1, AUDIO_CHANNELS, audio_latent_length(frames, fps), AUDIO_BINS)
