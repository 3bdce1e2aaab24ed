"""The ffmpeg that makes the delivered video of raw frames and raw sound. Pure."""

from dataclasses import dataclass
from pathlib import Path

AUDIO_RATE, AUDIO_BITRATE = 48_000, "192k"
EXACT_COLOURS = "accurate_rnd+full_chroma_int+full_chroma_inp"
"""Flags of swscale, besides its kernel. By its default it rounds so coarsely that a change of the colour matrix alone
costs 3 dB of PSNR."""
SILENCE = 0.25
"""Seconds of missing sound that are padded. The sound of a clip ends with its last latent, of 1/25 s, and temporal
upscaling shortens it by half a frame (facts/comfyui.md section 2, facts/ltx2.md section 1.4). More is a fault, and
makes a file that is too short: the worker refuses it."""
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""x264's."""


@dataclass(frozen=True)
class Sound:
    """Raw little-endian float32, channels interleaved."""

    path: Path
    rate: int
    channels: int


@dataclass(frozen=True)
class Delivery:
    """What is made of decoded frames of `decoded` (width, height)."""

    decoded: tuple[int, int]
    frames: int
    fps: int
    x: int
    y: int
    width: int
    """Of the rectangle that is kept, before it is shrunk."""
    height: int
    shrink: int
    """The kept rectangle is made so many times smaller each way."""
    crf: int
    preset: str
    comment: str

    def __post_init__(self) -> None:
        width, height = self.decoded
        if self.x + self.width > width or self.y + self.height > height:
            raise ValueError(f"a decoded frame of {width}x{height} does not hold {self.kept}")
        if self.width % (2 * self.shrink) or self.height % (2 * self.shrink):
            raise ValueError(f"{self.width}x{self.height}, {self.shrink} times smaller, is no even size")

    @property
    def kept(self) -> str:
        return f"{self.width}x{self.height} at ({self.x}, {self.y})"


def command(delivery: Delivery, sound: Sound, target: Path) -> list[str]:
    """Frames come as rgb24 on stdin, exactly `delivery.frames` of them; the sound is cut to their seconds.

    H.264 high yuv420p with BT.709 tags, AAC 48 kHz stereo, the index in front. AAC starts with 1,024 samples of
    priming; ffmpeg's muxer hides them by an edit list and cuts the last packet short, so the container says exactly
    the seconds of the frames.
    """
    width, height = delivery.decoded
    size = delivery.width // delivery.shrink, delivery.height // delivery.shrink
    kernel = "bicubic" if delivery.shrink == 1 else "area"
    picture = (
        f"crop={delivery.width}:{delivery.height}:{delivery.x}:{delivery.y},"
        f"scale={size[0]}:{size[1]}:out_color_matrix=bt709:out_range=tv:flags={kernel}+{EXACT_COLOURS}"
    )
    samples = AUDIO_RATE * delivery.frames // delivery.fps
    heard = (
        f"aresample={AUDIO_RATE},aformat=sample_fmts=fltp:channel_layouts=stereo,"
        f"apad=pad_len={int(SILENCE * AUDIO_RATE)},atrim=end_sample={samples}"
    )
    return [
        *("ffmpeg", "-hide_banner", "-v", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"),
        *("-framerate", str(delivery.fps), "-i", "pipe:0"),
        *("-f", "f32le", "-ar", str(sound.rate), "-ac", str(sound.channels), "-i", f"file:{sound.path}"),
        *("-map", "0:v", "-map", "1:a", "-vf", picture, "-af", heard),
        *("-c:v", "libx264", "-crf", str(delivery.crf), "-preset", delivery.preset, "-profile:v", "high"),
        *("-pix_fmt", "yuv420p", "-r", str(delivery.fps)),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
        *("-c:a", "aac", "-b:a", AUDIO_BITRATE, "-movflags", "+faststart"),
        *("-map_metadata", "-1", "-metadata", f"comment={delivery.comment}", "-f", "mp4", f"file:{target}"),
    ]
