"""Videos: frames and sound together, from files and into files."""

from typing import Any

from local.comfyui_preview.engine.inputs import Input, choice, input_file, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result, content_of, show
from local.comfyui_preview.folders import Folders, OutsideError
from local.comfyui_preview.nodes.conditioning import graph_metadata
from local.comfyui_preview.numerics.encoder import write_flac, write_mp4
from local.comfyui_preview.numerics.footage import probe, read_sound
from local.comfyui_preview.values import Audio, Image, Video

MADE_BY = {"comment": "preview: made by the preview engine, not by LTX-2"}
_BITS = 8  # of every colour, in all pictures of the preview


class LoadVideo(Node):
    """Pictures stay in the file and are read when somebody looks; the sound is read at once, at its own rate."""

    inputs = takes(file=input_file(".mp4", ".mov", ".webm", ".mkv", ".avi"))
    outputs = (("VIDEO", "VIDEO"),)
    judged = ("file",)

    @classmethod
    def problem(cls, folders: Folders, literals: dict[str, Any]) -> str | None:
        try:
            there = folders.annotated(literals["file"]).is_file()
        except OutsideError:
            there = False
        return None if there else f"Invalid video file: {literals['file']}"

    @classmethod
    def fingerprint(cls, folders: Folders, literals: dict[str, Any]) -> str:
        return content_of(folders.annotated(literals["file"]))

    def run(self, *, file: str) -> Result:
        path = self.job.folders.annotated(file)
        about = probe(path)
        rate = about.sound_rate
        audio = Audio(read_sound(path, rate), rate) if rate else None
        return Result((Video(about.frames, about.fps, audio),))


class GetVideoComponents(Node):
    """The audio of a silent video is None."""

    inputs = takes(video=link("VIDEO"))
    outputs = (("IMAGE", "images"), ("AUDIO", "audio"), ("FLOAT", "fps"), ("INT", "bit_depth"))

    def run(self, *, video: Video) -> Result:
        return Result((video.frames, video.audio, video.fps, _BITS))


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
        metadata = MADE_BY | graph_metadata(self.job.graph, disabled=self.job.settings.disable_metadata)
        write_mp4(path, video.frames, video.fps, video.audio.sound if video.audio else None, metadata)
        return Result((video,), {**show("images", path, saved.subfolder), "animated": [True]})


class SaveAudio(Node):
    inputs = takes(audio=link("AUDIO"), filename_prefix=text("audio/ComfyUI"))
    outputs = (("AUDIO", "audio"),)
    is_output = True

    def run(self, *, audio: Audio, filename_prefix: str) -> Result:
        saved = self.job.folders.next_output(filename_prefix)
        path = saved.path(".flac")
        write_flac(path, audio.sound, graph_metadata(self.job.graph, disabled=self.job.settings.disable_metadata))
        return Result((audio,), show("audio", path, saved.subfolder))
