"""Videos of users, looked at with suspicion."""

import asyncio
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from shared.errors import UserError
from shared.media.probe import GUARD, MediaInfo, probe
from shared.media.process import argv_of, local, run

MAX_SECONDS = 60
"""Three times the longest clip; what is beyond the clip's own length is never used."""
MAX_PIXELS = 3840 * 2160
MAX_BYTES = 100 * 1000 * 1000
MAX_FRAMES = MAX_SECONDS * 240
"""240 a second is what phones take in slow motion; a file of 100 MB could hold millions."""
MAX_DECODED = 4096 * 2304
"""Where a decoder stops when the frames turn out to be larger than the file says; some count whole blocks."""
DECODED = 3  # frames that are decoded to see that it is a video
CHECK_SECONDS = 30.0
CODECS = {"av1", "h264", "hevc", "mjpeg", "mpeg4", "prores", "vp8", "vp9"}
"""What cameras, phones, browsers and editors write; every further decoder is one more that a stranger may attack."""
WEB = {"av1", "vp8", "vp9"}


@dataclass(frozen=True)
class VideoInfo:
    """A video that can be decoded. The size is that of its frames as they are stored, before any rotation."""

    media_type: str
    width: int
    height: int
    frames: int
    fps: Fraction
    seconds: float


async def check_video(path: Path) -> VideoInfo:
    """Probe a user's video, decode its first frames, and say what it is. Not more: a video may be long.

    UserError input_too_large (bytes, pixels, seconds, frames) or input_not_media (no MP4, MOV, MKV or WebM; no
    picture in it; a codec that is not in `CODECS`; damaged from the start).
    """
    size = await asyncio.to_thread(os.path.getsize, path)
    if size > MAX_BYTES:
        raise _too_large(f"has {size / 1e6:.0f} MB", f"at most {MAX_BYTES // 1_000_000} MB")
    found = await probe(path, timeout=CHECK_SECONDS, blame="input_not_media")
    _require_small(found)
    if found.codec not in CODECS:
        raise UserError(
            "input_not_media", f"the video is coded as {found.codec}; send H.264, HEVC, VP8, VP9, AV1 or ProRes"
        )
    if not found.frames or not found.fps:
        raise unreadable()
    nothing = ffmpeg.output(read(path), "-", format="null", vframes=DECODED)
    done = await run(argv_of(nothing, "-xerror"), timeout=CHECK_SECONDS)
    if done.code:
        raise unreadable()
    return VideoInfo(
        media_type=_media_type(found),
        width=found.width,
        height=found.height,
        frames=found.frames,
        fps=found.fps,
        seconds=found.seconds,
    )


def read(path: Path) -> Any:
    """The pictures of a user's file, which can neither open another file nor swell while it is decoded."""
    return ffmpeg.input(local(path), **GUARD, max_pixels=MAX_DECODED)["V:0"]  # V: no cover art


def _require_small(found: MediaInfo) -> None:
    if found.seconds > MAX_SECONDS:
        raise _too_large(f"lasts {found.seconds:.0f} s", f"at most {MAX_SECONDS} s")
    if found.width * found.height > MAX_PIXELS:
        raise _too_large(f"has {found.width}x{found.height} pixels", "at most 3840x2160")
    if found.frames > MAX_FRAMES:
        raise _too_large(f"has {found.frames} frames", f"at most {MAX_FRAMES}")


def _media_type(found: MediaInfo) -> str:
    if "matroska" not in found.container:
        return "video/mp4"
    return "video/webm" if found.codec in WEB else "video/x-matroska"


def _too_large(how: str, limit: str) -> UserError:
    return UserError("input_too_large", f"the video {how}; {limit} are taken")


def unreadable() -> UserError:
    return UserError("input_not_media", "the video cannot be decoded; send an undamaged MP4, MOV, MKV or WebM file")
