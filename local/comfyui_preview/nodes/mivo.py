"""The node of the workers' own pack (workers/comfy_nodes/mivo): a latent and its sound become the delivered file."""

from typing import Any

from local.comfyui_preview import COMFYUI_VERSION
from local.comfyui_preview.engine.inputs import choice, integer, link, takes, text
from local.comfyui_preview.engine.node import Node, Result, show
from local.comfyui_preview.nodes.vae import pictures
from local.comfyui_preview.numerics.encoder import write_delivered
from local.comfyui_preview.numerics.frames import cut, span
from local.comfyui_preview.values import Audio, Latent

_LARGEST = 16384


class MivoDecodeToVideo(Node):
    """Tiles are for GPUs: here pictures are drawn one by one while the file is written."""

    inputs = takes(
        samples=link("LATENT"),
        vae=link("VAE"),
        audio=link("AUDIO"),
        tile_size=integer(512, 64, 4096, 32),
        overlap=integer(64, 0, 4096, 32),
        temporal_size=integer(64, 8, 4096, 4),
        temporal_overlap=integer(24, 4, 4096, 4),
        fps=integer(24, 1, 120),
        frames=integer(24, 1, 100_000),
        x=integer(0, 0, _LARGEST),
        y=integer(0, 0, _LARGEST),
        width=integer(1920, 2, _LARGEST),
        height=integer(1080, 2, _LARGEST),
        shrink=integer(1, 1, 8),
        crf=integer(18, 0, 51),
        preset=choice(
            *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
        ),
        comment=text(),
        filename_prefix=text("video/mivo"),
    )
    is_output = True

    def run(
        self,
        *,
        samples: Latent,
        audio: Audio,
        fps: int,
        frames: int,
        x: int,
        y: int,
        width: int,
        height: int,
        comment: str,
        filename_prefix: str,
        shrink: int,
        crf: int,
        preset: str,
        **_: Any,
    ) -> Result:
        decoded = pictures(self.job, samples)
        if decoded.count < frames:
            raise ValueError(f"{frames} frames are asked for, and the latent has only {decoded.count}")
        kept = span(cut(decoded, x=x, y=y, width=width, height=height), 0, frames)
        if (kept.width, kept.height) != (width, height):
            raise ValueError(
                f"a decoded frame of {decoded.width}x{decoded.height} does not hold {width}x{height} at ({x}, {y})"
            )
        saved = self.job.folders.next_output(filename_prefix)
        path = saved.path(".mp4")
        tags = {"comment": f"{comment}, ComfyUI {COMFYUI_VERSION}"}
        write = write_delivered if self.job.service is None else self.job.service.stock.video
        write(path, kept, fps, audio.sound, tags, shrink=shrink, crf=crf, preset=preset)
        return Result((), {**show("images", path, saved.subfolder), "animated": [True]})
