"""The video that is delivered: exact in size, frames, rate and seconds, with sound."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from shared.errors import FatalError
from shared.geometry import Crop
from shared.media.probe import MediaInfo, probe, sound_seconds
from shared.media.process import EXACT_COLOURS, argv_of, local, run

AUDIO_RATE = 48_000
AUDIO_BITRATE = "192k"
PRECISE = f"bicubic+{EXACT_COLOURS}"
EXACT = 0.001  # seconds; mp4 counts in milliseconds
RATE_ERROR = 0.01  # fps; containers that count in milliseconds cannot say 24 exactly
SILENCE = 0.25
"""Seconds of missing sound that are padded. The sound of a clip ends with its last latent, of 1/25 s, and temporal
upscaling shortens it by half a frame (facts/comfyui.md section 2, facts/ltx2.md section 1.4); more is a fault."""


@dataclass(frozen=True)
class _Wanted:
    crop: Crop
    frames: int
    fps: int
    seconds: int


async def deliver_video(
    pictures: Path,
    sound: Path,
    target: Path,
    *,
    crop: Crop,
    frames: int,
    fps: int,
    seconds: int,
    crf: int = 18,
    preset: str = "veryfast",
    comment: str = "",
    timeout: float = 600,  # noqa: ASYNC109  seconds; ends ffmpeg too
) -> MediaInfo:
    """Cut and crop what ComfyUI made into what the user asked for, and check the result.

    The first `frames` frames of `pictures` at `fps`, the rectangle `crop` of them, and exactly `seconds` of `sound`:
    H.264 high yuv420p with BT.709 tags, AAC 48 kHz stereo, the index in front. Untagged pictures are BT.601, as
    swscale makes them from RGB when nobody says otherwise, and are converted. AAC starts with 1,024 samples of
    priming; ffmpeg's muxer hides them by an edit list and cuts the last packet short, so the container says exactly
    `seconds`. `target` appears only when it is right.

    FatalError bad_output, with figures, when one of them is too short, too small, too slow or silent.
    """
    if frames != fps * seconds:
        raise ValueError(f"{frames} frames at {fps} fps are not {seconds} s")
    wanted = _Wanted(crop, frames, fps, seconds)
    _require_enough(await probe(pictures), await sound_seconds(sound), wanted)
    part = target.with_name(f".{target.stem}.part.mp4")
    try:
        done = await run(
            _arguments(pictures, sound, part, wanted, crf=crf, preset=preset, comment=comment),
            timeout=timeout,
        )
        if done.code:
            raise FatalError("bad_output", f"ffmpeg could not make the delivered video: {done.said}")
        made = await probe(part)
        _require_exact(made, wanted)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return made


def _arguments(
    pictures: Path, sound: Path, target: Path, wanted: _Wanted, *, crf: int, preset: str, comment: str
) -> list[str]:
    crop, samples = wanted.crop, AUDIO_RATE * wanted.seconds
    video = (
        ffmpeg.input(local(pictures))
        .video.filter("trim", end_frame=wanted.frames)
        .filter("crop", crop.width, crop.height, crop.x, crop.y)
        .filter("scale", out_color_matrix="bt709", out_range="tv", flags=PRECISE)
        .filter("setpts", f"N/({wanted.fps}*TB)")
    )
    audio = (
        ffmpeg.input(local(sound))
        .audio.filter("aresample", AUDIO_RATE)
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
        .filter("apad", pad_len=int(SILENCE * AUDIO_RATE))  # no more: a cut file still claims its full length
        .filter("atrim", end_sample=samples)
    )
    output = ffmpeg.output(
        video,
        audio,
        local(target),
        format="mp4",
        vcodec="libx264",
        crf=crf,
        preset=preset,
        pix_fmt="yuv420p",
        r=wanted.fps,
        colorspace="bt709",
        color_primaries="bt709",
        color_trc="bt709",
        color_range="tv",
        acodec="aac",
        audio_bitrate=AUDIO_BITRATE,
        movflags="+faststart",
        map_metadata=-1,  # ComfyUI writes graph and prompt there
        metadata=f"comment={comment}",
        **{"profile:v": "high"},
    )
    return argv_of(output)


def _require_enough(found: MediaInfo, sound: float | None, wanted: _Wanted) -> None:
    width, height = wanted.crop.x + wanted.crop.width, wanted.crop.y + wanted.crop.height
    faults = []
    if found.frames < wanted.frames:
        faults.append(f"{found.frames} frames instead of at least {wanted.frames}")
    if abs(found.fps - wanted.fps) > RATE_ERROR:
        faults.append(f"{_rate(found.fps)} fps instead of {wanted.fps}")
    if found.width < width or found.height < height:
        faults.append(f"{found.width}x{found.height} pixels instead of at least {width}x{height}")
    if sound is None:
        faults.append("no sound")
    elif sound < wanted.seconds - SILENCE:
        faults.append(f"{sound:.3f} s of sound instead of {wanted.seconds}")
    if faults:
        raise FatalError("bad_output", f"the decoded video has {', '.join(faults)}")


def _require_exact(made: MediaInfo, wanted: _Wanted) -> None:
    crop = wanted.crop
    got = (made.width, made.height, made.frames, made.fps)
    lengths = (made.seconds, made.video_seconds, made.audio_seconds or 0.0)
    if got == (crop.width, crop.height, wanted.frames, Fraction(wanted.fps)) and all(
        abs(length - wanted.seconds) <= EXACT for length in lengths
    ):
        return
    raise FatalError(
        "bad_output",
        f"the delivered video has {made.width}x{made.height}, {made.frames} frames, {_rate(made.fps)} fps and "
        f"{lengths} s (file, pictures, sound) instead of {crop.width}x{crop.height}, {wanted.frames}, "
        f"{wanted.fps} and {wanted.seconds}",
    )


def _rate(fps: Fraction) -> str:
    return f"{float(fps):g}"


async def poster(source: Path, target: Path, *, at_seconds: float, timeout: float = 60) -> None:  # noqa: ASYNC109
    """One frame of a video as a JPEG of the same size; FatalError bad_output when there is none at that time."""
    part = target.with_name(f".{target.stem}.part.jpg")
    output = ffmpeg.output(
        ffmpeg.input(local(source), ss=at_seconds).video.filter(
            "scale", out_color_matrix="bt601", out_range="pc", flags=PRECISE
        ),
        local(part),
        vframes=1,
        format="image2",
        vcodec="mjpeg",
        pix_fmt="yuvj420p",
        update=1,
        **{"q:v": 2},
    )
    try:
        done = await run(argv_of(output), timeout=timeout)
        if done.code or not part.exists():
            raise FatalError("bad_output", f"no frame at {at_seconds:g} s for the poster: {done.said}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
