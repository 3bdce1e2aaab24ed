"""Noise masks: what a refine may change and what it must keep."""

from typing import Any

import numpy as np

from local.comfyui_preview.engine.inputs import Input, flag, integer, link, number, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics import codec, sound
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.values import AudioVideoMask, Conditioning, Latent, Mask


class SolidMask(Node):
    inputs = takes(
        value=number(1.0, 0.0, 1.0, 0.01),
        width=integer(512, 1, 16384),
        height=integer(512, 1, 16384),
    )
    outputs = (("MASK", "MASK"),)

    def run(self, *, value: float, width: int, height: int) -> Result:
        return Result((np.full((height, width), value, np.float32),))


class SetLatentNoiseMask(Node):
    inputs = takes(samples=link("LATENT"), mask=link("MASK"))
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, samples: Latent, mask: Mask) -> Result:
        given = samples.plain()
        rows, columns = (
            (np.arange(size) * mask.shape[axis]) // size for axis, size in enumerate(given.shape[-2:])
        )  # nearest neighbours, whatever the size of the mask
        fitted = mask[np.ix_(rows, columns)]
        return Result((Latent(given, fitted.reshape(*[1] * (given.ndim - 2), *fitted.shape)),))


class LTXVSetAudioVideoMaskByTime(Node):
    """Between two times, sound or picture may change; the rest keeps the initial mask value (graph c6)."""

    inputs = takes(
        av_latent=link("LATENT"),
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        model=link("MODEL"),
        vae=link("VAE"),
        audio_vae=link("VAE"),
        start_time=number(0.0, 0.0, 2000.0),
        end_time=number(10.0, 0.0, 2000.0),
        video_fps=number(24.0, 0.0, 500.0),
        mask_video=flag(default=True),
        mask_audio=flag(default=True),
        mask_init_value_video=number(0.0, 0.0, 1.0),
        mask_init_value_audio=number(0.0, 0.0, 1.0),
        slope_len=integer(3, 1, 100),
        spatial_mask=Input("MASK", optional=True),
    )
    outputs = (
        ("CONDITIONING", "positive"),
        ("CONDITIONING", "negative"),
        ("LATENT", "av_latent"),
        ("FLOAT", "video_latent_blend_coefficients"),
        ("FLOAT", "video_pixel_blend_coefficients"),
    )

    def run(
        self,
        *,
        av_latent: Latent,
        positive: Conditioning,
        negative: Conditioning,
        start_time: float,
        end_time: float,
        video_fps: float,
        mask_video: bool,
        mask_audio: bool,
        mask_init_value_video: float,
        mask_init_value_audio: float,
        **_: Any,
    ) -> Result:
        both = av_latent.joint()

        def within(seconds: F32, initial: float, *, open_to_change: bool) -> F32:
            inside = (seconds >= start_time) & (seconds <= end_time) & open_to_change
            return np.where(inside, 1.0, initial).astype(np.float32)

        frames, length = both.video.shape[2], both.audio.shape[2]
        video_seconds = f32(np.arange(frames) * codec.FRAMES_PER_LATENT / video_fps)
        audio_seconds = f32(np.arange(length) / sound.PER_SECOND)
        video = within(video_seconds, mask_init_value_video, open_to_change=mask_video)
        audio = within(audio_seconds, mask_init_value_audio, open_to_change=mask_audio)
        mask = AudioVideoMask(video.reshape(1, 1, frames, 1, 1), audio.reshape(1, 1, length, 1))
        return Result((positive, negative, Latent(both, mask), video.tolist(), video.tolist()))
