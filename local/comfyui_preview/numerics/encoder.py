"""Writes frames and sound into an mp4, frames into a WebM, and sound into a FLAC, by streaming raw data into ffmpeg."""

import subprocess
import tempfile
from pathlib import Path
from typing import IO, cast

import numpy as np

from local.comfyui_preview.numerics.arrays import F32
from local.comfyui_preview.numerics.frames import Frames

Sound = tuple[F32, int]  # a waveform [2, N] and its Hz

_FINISH_SECONDS = 120  # for ffmpeg to end after the last picture
_BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
# Visually lossless, small enough to travel through S3, and quick on two CPU cores.
_H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-threads", "2", "-pix_fmt", "yuv420p"]
# At its quickest, and at half the crf that is asked for: so it loses about as little as the real one at the whole.
_VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "0"]


def write_mp4(path: Path, frames: Frames, fps: float, audio: Sound | None, metadata: dict[str, str]) -> None:
    """An mp4 (h264 yuv420p, AAC) of all frames at `fps`; `audio` is cut to their length.

    The file appears under its name only when it is whole. Raises RuntimeError with ffmpeg's own words.
    """
    with tempfile.TemporaryDirectory(prefix="preview-") as folder:
        command = _reading(frames, fps)
        if audio is not None:
            raw = Path(folder, "sound.f32")
            waveform, rate = audio
            needed = int(np.ceil(rate / fps * frames.count))  # facts/comfyui.md section 2, SaveVideo
            waveform[:, :needed].T.astype("<f4").tofile(raw)
            command += ["-f", "f32le", "-ar", str(rate), "-ac", "2", "-i", str(raw)]
            command += ["-c:a", "aac", "-b:a", "128k"]
        command += [*_H264, *_BT709, "-movflags", "+faststart+use_metadata_tags"]
        _write([*command, *_tags(metadata), "-f", "mp4"], frames, path)


def write_webm(path: Path, frames: Frames, fps: float, metadata: dict[str, str], *, crf: float) -> None:
    """A WebM of all frames at `fps`, without sound, as `write_mp4` does it.

    In VP9, for AV1 as well: its quickest encoders take 1.6 times (SVT) to several times (libaom) the CPU time.
    """
    command = [*_reading(frames, fps), *_VP9, "-crf", str(round(crf / 2)), *_BT709, *_tags(metadata)]
    _write([*command, "-f", "webm"], frames, path)


def write_flac(path: Path, audio: Sound, metadata: dict[str, str]) -> None:
    """Raises subprocess.CalledProcessError and subprocess.TimeoutExpired."""
    waveform, rate = audio
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "f32le", "-ar", str(rate), "-ac", "2"]
    command += ["-i", "pipe:0", *_tags(metadata)]
    raw = waveform.T.astype("<f4").tobytes()
    subprocess.run([*command, str(path)], input=raw, check=True, timeout=_FINISH_SECONDS, capture_output=True)


def _reading(frames: Frames, fps: float) -> list[str]:
    """An ffmpeg that takes pictures from its stdin."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{frames.width}x{frames.height}"]
    return [*command, "-framerate", repr(fps), "-i", "pipe:0"]


def _tags(metadata: dict[str, str]) -> list[str]:
    return [part for pair in metadata.items() for part in ("-metadata", "=".join(pair))]


def _write(command: list[str], frames: Frames, path: Path) -> None:
    partial = path.with_name(f".{path.name}.part")
    with tempfile.TemporaryFile() as words:
        code = _feed([*command, str(partial)], frames, words.fileno())
        words.seek(0)
        said = words.read().decode(errors="replace").strip()
    if code:
        partial.unlink(missing_ok=True)
        raise RuntimeError(f"ffmpeg ended with {code}: {said[-500:]}")
    partial.rename(path)


def _feed(command: list[str], frames: Frames, words: int) -> int:
    """Runs ffmpeg on all pictures; its exit status."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words) as process:
        try:
            with cast("IO[bytes]", process.stdin) as pipe:
                for planes in frames.planes(0, frames.count):
                    for plane in planes:
                        pipe.write(np.ascontiguousarray(plane).data)
        except BrokenPipeError:
            pass  # ffmpeg gave up: its exit status and its words say why
        except BaseException:
            process.kill()
            raise
        return process.wait(timeout=_FINISH_SECONDS)
