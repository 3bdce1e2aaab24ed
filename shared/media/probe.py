"""What a video file is, as ffprobe sees it, exactly."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from shared.errors import FatalError, MivoError, UserError
from shared.media.process import local, run

GUARD = {"protocol_whitelist": "file", "format_whitelist": "mov,matroska,webm"}
"""A playlist that calls itself a video could make ffmpeg open other files and hosts; these containers cannot."""


@dataclass(frozen=True)
class MediaInfo:
    """A video file. Seconds are those that the container says."""

    width: int
    height: int
    frames: int
    """Counted packet by packet, not estimated."""
    fps: Fraction
    seconds: float
    video_seconds: float
    audio_seconds: float | None
    """None where there is no sound."""
    codec: str
    pix_fmt: str
    sample_rate: int | None
    channels: int | None
    comment: str | None
    container: str
    """ffmpeg's names of the format: with `mov` or with `matroska` among them."""

    @property
    def has_audio(self) -> bool:
        return self.audio_seconds is not None


async def probe(
    path: Path,
    *,
    timeout: float = 30,  # noqa: ASYNC109  seconds; ends ffprobe too
    blame: Literal["bad_output", "input_not_media"] = "bad_output",
) -> MediaInfo:
    """Look at a file of ours, or of a user (`blame="input_not_media"`).

    FatalError bad_output or UserError input_not_media when it is no video; TransientError execution_timeout.
    """
    done = await run(
        [
            *("ffprobe", "-v", "error"),
            *(word for name, value in GUARD.items() for word in (f"-{name}", value)),
            *("-count_packets", "-of", "json"),
            *("-show_format", "-show_streams", local(path)),
        ],
        timeout=timeout,
    )
    if done.code:
        raise _blamed(blame)
    try:
        return _read(json.loads(done.output))
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise _blamed(blame) from error


def _blamed(blame: Literal["bad_output", "input_not_media"]) -> MivoError:
    if blame == "input_not_media":
        return UserError("input_not_media", "the video cannot be read; send an MP4, MOV, MKV or WebM file")
    return FatalError("bad_output", "a video or a sound that was made here cannot be read")


def _read(found: dict[str, Any]) -> MediaInfo:
    videos = [stream for stream in found["streams"] if stream["codec_type"] == "video"]
    sounds = [stream for stream in found["streams"] if stream["codec_type"] == "audio"]
    pictures = [stream for stream in videos if not stream["disposition"]["attached_pic"]]  # not cover art
    if not pictures:
        raise ValueError("no video stream")
    video, sound = pictures[0], (sounds[0] if sounds else None)
    container = found["format"]
    return MediaInfo(
        width=int(video["width"]),
        height=int(video["height"]),
        frames=int(video["nb_read_packets"]),
        fps=Fraction(video["avg_frame_rate"]),
        seconds=float(container["duration"]),
        video_seconds=_seconds(video, container),
        audio_seconds=_seconds(sound, container) if sound else None,
        codec=video["codec_name"],
        pix_fmt=video["pix_fmt"],
        sample_rate=int(sound["sample_rate"]) if sound else None,
        channels=int(sound["channels"]) if sound else None,
        comment=container.get("tags", {}).get("comment"),
        container=container["format_name"],
    )


def _seconds(stream: dict[str, Any], container: dict[str, Any]) -> float:
    """Of one stream; Matroska and WebM know only those of the whole file."""
    return float(stream.get("duration", container["duration"]))
