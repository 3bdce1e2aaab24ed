"""Writes frames and sound into an mp4, and sound into a FLAC, by streaming raw data into ffmpeg."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np

from local.comfyui_preview.numerics.arrays import F32
from local.comfyui_preview.numerics.frames import Frames

Sound = tuple[F32, int]  # a waveform [2, N] and its Hz

_FINISH_SECONDS = 120  # for ffmpeg to end after the last picture
_BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
_H264 = ["-c:v", "libx264", "-threads", "2", "-pix_fmt", "yuv420p"]
# SaveVideo's quality cannot be set: visually lossless, and quick on two CPU cores.
_SAVED = ["-preset", "ultrafast", "-crf", "16", "-c:a", "aac", "-b:a", "128k"]
_SILENCE = 12_000  # samples that are padded at the most, as workers/comfy_nodes/mivo does it


def write_mp4(path: Path, frames: Frames, fps: float, audio: Sound | None, metadata: dict[str, str]) -> None:
    """An mp4 (h264 yuv420p, AAC) of all frames at `fps`, as SaveVideo makes it; `audio` is cut to their length.

    The file appears under its name only when it is whole. Raises RuntimeError with ffmpeg's own words.
    """
    if audio is not None:
        waveform, rate = audio
        audio = waveform[:, : int(np.ceil(rate / fps * frames.count))], rate  # facts/comfyui.md section 2, SaveVideo
    how = [*_SAVED, "-movflags", "+faststart+use_metadata_tags", *_tags(metadata)]
    _write(path, frames, fps, audio, how)


def write_delivered(
    path: Path, frames: Frames, fps: int, audio: Sound, metadata: dict[str, str], *, shrink: int, crf: int, preset: str
) -> None:
    """An mp4 exactly as the workers' own node delivers it: 48 kHz, as long as its frames. As `write_mp4` else."""
    samples = 48_000 * frames.count // fps
    heard = f"aresample=48000,aformat=channel_layouts=stereo,apad=pad_len={_SILENCE},atrim=end_sample={samples}"
    small = ["-vf", f"scale=iw/{shrink}:ih/{shrink}:flags=area"] if shrink > 1 else []
    how = [*small, "-af", heard, "-crf", str(crf), "-preset", preset, "-profile:v", "high", "-c:a", "aac"]
    _write(path, frames, fps, audio, [*how, "-b:a", "192k", "-movflags", "+faststart", *_tags(metadata)])


def write_flac(path: Path, audio: Sound, metadata: dict[str, str]) -> None:
    """Raises subprocess.CalledProcessError and subprocess.TimeoutExpired."""
    waveform, rate = audio
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "f32le", "-ar", str(rate), "-ac", "2"]
    command += ["-i", "pipe:0", *_tags(metadata)]
    raw = waveform.T.astype("<f4").tobytes()
    subprocess.run([*command, str(path)], input=raw, check=True, timeout=_FINISH_SECONDS, capture_output=True)


def _tags(metadata: dict[str, str]) -> list[str]:
    return [part for pair in metadata.items() for part in ("-metadata", "=".join(pair))]


def _write(path: Path, frames: Frames, fps: float, audio: Sound | None, how: Sequence[str]) -> None:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{frames.width}x{frames.height}"]
    command += ["-framerate", repr(fps), "-i", "pipe:0"]
    partial = path.with_name(f".{path.name}.part")
    with tempfile.TemporaryDirectory(prefix="preview-") as folder, tempfile.TemporaryFile() as words:
        if audio is not None:
            waveform, rate = audio
            raw = Path(folder, "sound.f32")
            waveform.T.astype("<f4").tofile(raw)
            command += ["-f", "f32le", "-ar", str(rate), "-ac", "2", "-i", str(raw)]
        code = _feed([*command, *_H264, *how, *_BT709, "-f", "mp4", str(partial)], frames, words.fileno())
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
