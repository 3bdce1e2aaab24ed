"""Latents: empty ones, joint ones, upscaled ones, and their files. Shapes: facts/ltx2.md sections 1.3 and 1.4."""

from typing import Any

import numpy as np
from safetensors.numpy import save_file

from local.comfyui_preview.engine.inputs import choice, input_file, integer, link, takes, text
from local.comfyui_preview.engine.node import Node, Result, content_of, show
from local.comfyui_preview.folders import Folders, OutsideError
from local.comfyui_preview.nodes.conditioning import graph_metadata
from local.comfyui_preview.numerics import codec, sound, tensors, upscale
from local.comfyui_preview.values import AudioVideo, AudioVideoMask, Latent, Upscaler


class EmptyLTXVLatentVideo(Node):
    """Odd sizes are rounded down in silence, as in ComfyUI (facts/comfyui.md section 5)."""

    inputs = takes(
        width=integer(768, 64, 16384, 32),
        height=integer(512, 64, 16384, 32),
        length=integer(97, 1, 16384, 8),
        batch_size=integer(1, 1, 4096),
    )
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, width: int, height: int, length: int, batch_size: int) -> Result:
        frames = (length - 1) // codec.FRAMES_PER_LATENT + 1
        shape = (batch_size, codec.CHANNELS, frames, height // codec.CELL, width // codec.CELL)
        return Result((Latent(np.zeros(shape, np.float32)),))


class LTXVEmptyLatentAudio(Node):
    inputs = takes(
        frames_number=integer(97, 1, 1000),
        frame_rate=integer(25, 1, 1000),
        batch_size=integer(1, 1, 4096),
        audio_vae=link("VAE"),
    )
    outputs = (("LATENT", "Latent"),)

    def run(self, *, frames_number: int, frame_rate: int, batch_size: int, **_: Any) -> Result:
        length = sound.length_of(frames_number, frame_rate)
        return Result((Latent(np.zeros((batch_size, sound.CHANNELS, length, sound.BINS), np.float32)),))


class LTXVConcatAVLatent(Node):
    inputs = takes(video_latent=link("LATENT"), audio_latent=link("LATENT"))
    outputs = (("LATENT", "latent"),)

    def run(self, *, video_latent: Latent, audio_latent: Latent) -> Result:
        masks = [part.mask for part in (video_latent, audio_latent)]
        mask = AudioVideoMask(*(None if isinstance(m, AudioVideoMask) else m for m in masks))
        both = AudioVideo(video_latent.plain(), audio_latent.plain())
        return Result((Latent(both, mask if mask.video is not None or mask.audio is not None else None),))


class LTXVSeparateAVLatent(Node):
    inputs = takes(av_latent=link("LATENT"))
    outputs = (("LATENT", "video_latent"), ("LATENT", "audio_latent"))

    def run(self, *, av_latent: Latent) -> Result:
        both, mask = av_latent.joint(), av_latent.mask
        video, audio = (mask.video, mask.audio) if isinstance(mask, AudioVideoMask) else (None, None)
        return Result((Latent(both.video, video), Latent(both.audio, audio)))


class LTXVLatentUpsampler(Node):
    """x2 in time with a model whose name says "temporal", else x2 in space. Drops a noise mask."""

    inputs = takes(samples=link("LATENT"), upscale_model=link("LATENT_UPSCALE_MODEL"), vae=link("VAE"))
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, samples: Latent, upscale_model: Upscaler, **_: Any) -> Result:
        if isinstance(samples.samples, AudioVideo):
            raise TypeError("unsupported operand type(s) for *: 'NestedTensor' and 'Tensor'")
        given = samples.samples
        if given.shape[1] != codec.CHANNELS:  # an audio latent by mistake: success and garbage, as in ComfyUI
            return Result((Latent(given.repeat(2, axis=-2).repeat(2, axis=-1)),))
        enlarge = upscale.temporal if "temporal" in upscale_model.name else upscale.spatial
        return Result((Latent(np.stack([enlarge(item) for item in given])),))


_AXES = {"x": -1, "y": -2, "t": -3}


class LatentConcat(Node):
    """One latent after the other, with "-" the second first; only the mask of `samples1` stays."""

    inputs = takes(
        samples1=link("LATENT"), samples2=link("LATENT"), dim=choice(*_AXES, *(f"-{name}" for name in _AXES))
    )
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, samples1: Latent, samples2: Latent, dim: str) -> Result:
        parts = [samples1.plain(), samples2.plain()]
        if dim.startswith("-"):
            parts.reverse()
        return Result((Latent(np.concatenate(parts, axis=_AXES[dim[-1]]), samples1.mask),))


class LatentCut(Node):
    """A part of a latent along one direction; as in ComfyUI the mask stays as it was."""

    inputs = takes(
        samples=link("LATENT"),
        dim=choice(*_AXES),
        index=integer(0, -16384, 16384),
        amount=integer(1, 1, 16384),
    )
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, samples: Latent, dim: str, index: int, amount: int) -> Result:
        given, axis = samples.plain(), _AXES[dim]
        length = given.shape[axis]
        first = min(index, length - 1) if index >= 0 else max(length + index, 0)
        return Result((Latent(given.take(range(first, min(first + amount, length)), axis), samples.mask),))


class SaveLatent(Node):
    inputs = takes(samples=link("LATENT"), filename_prefix=text("latents/ComfyUI"))
    outputs = (("LATENT", "samples"),)
    is_output = True

    def run(self, *, samples: Latent, filename_prefix: str) -> Result:
        saved = self.job.folders.next_output(filename_prefix)
        path = saved.path(".latent")
        kept = {"latent_tensor": np.ascontiguousarray(samples.plain()), "latent_format_version_0": np.zeros(0, "f4")}
        save_file(kept, path, graph_metadata(self.job.graph, disabled=self.job.settings.disable_metadata) or None)
        return Result((samples,), show("latents", path, saved.subfolder))


class LoadLatent(Node):
    """Takes any existing file: in input/, below it, or "name [output]"."""

    inputs = takes(latent=input_file(".latent"))
    outputs = (("LATENT", "LATENT"),)
    judged = ("latent",)

    @classmethod
    def problem(cls, folders: Folders, literals: dict[str, Any]) -> str | None:
        try:
            there = folders.annotated(literals["latent"]).is_file()
        except OutsideError:
            there = False
        return None if there else f"Invalid latent file: {literals['latent']}"

    @classmethod
    def fingerprint(cls, folders: Folders, literals: dict[str, Any]) -> str:
        return content_of(folders.annotated(literals["latent"]))

    def run(self, *, latent: str) -> Result:
        return Result((Latent(tensors.read(self.job.folders.annotated(latent), "latent_tensor")),))
