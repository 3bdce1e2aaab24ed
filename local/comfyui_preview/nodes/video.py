"""Videos: frames and sound together, and the mp4."""

from typing import Any

from local.comfyui_preview.engine.inputs import Input, choice, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result, show
from local.comfyui_preview.nodes.conditioning import graph_metadata
from local.comfyui_preview.numerics.encoder import write_mp4
from local.comfyui_preview.values import Audio, Image, Video


class CreateVideo(Node):
    inputs = takes(
        images=link("IMAGE"),
        fps=number(30.0, 1.0, 120.0, 1.0),
        audio=Input("AUDIO", optional=True),
        bit_depth=integer(8, 8, 10, 2, optional=True),
    )
    outputs = (("VIDEO", "VIDEO"),)

    def run(self, *, images: Image, fps: float, audio: Audio | None = None, **_: Any) -> Result:
        return Result((Video(images, fps, audio),))


class SaveVideo(Node):
    inputs = takes(
        video=link("VIDEO"),
        filename_prefix=text("video/ComfyUI"),
        format=choice("auto", "mp4"),
        codec=choice("auto", "h264"),
    )
    outputs = (("VIDEO", "video"),)
    is_output = True

    def run(self, *, video: Video, filename_prefix: str, **_: Any) -> Result:
        saved = self.job.folders.next_output(filename_prefix)
        path = saved.path(".mp4")
        metadata = {"comment": "preview: made by the preview engine, not by LTX-2"}
        metadata |= graph_metadata(self.job.graph, disabled=self.job.settings.disable_metadata)
        write_mp4(path, video.frames, video.fps, video.audio.waveform if video.audio else None, metadata)
        return Result((video,), {**show("images", path, saved.subfolder), "animated": [True]})
