"""Between latents and pictures or sound. Decoded pictures stay lazy: they are drawn while a file is written."""

from typing import Any

import numpy as np

from local.comfyui_preview.engine.inputs import choice, flag, integer, link, takes
from local.comfyui_preview.engine.node import Job, Node, Result
from local.comfyui_preview.numerics import sound
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.encode import encode_whole
from local.comfyui_preview.values import Audio, AudioVideo, Image, Latent


def pictures(job: Job, latent: Latent) -> Decoded:
    """Of the video, drawn when somebody looks; after as long as a GPU would decode, where that is simulated."""
    both = latent.samples  # of a joint latent the video part is decoded in silence, as in ComfyUI
    video = both.video if isinstance(both, AudioVideo) else both
    if job.service is not None:
        job.pause(job.service.decode(video.shape))
    return Decoded(video[0])


class VAEEncode(Node):
    inputs = takes(pixels=link("IMAGE"), vae=link("VAE"))
    outputs = (("LATENT", "LATENT"),)

    def run(self, *, pixels: Image, **_: Any) -> Result:
        return Result((Latent(encode_whole(pixels)[np.newaxis]),))


class VAEEncodeTiled(VAEEncode):
    inputs = takes(
        pixels=link("IMAGE"),
        vae=link("VAE"),
        tile_size=integer(512, 64, 4096, 64),
        overlap=integer(64, 0, 4096, 32),
        temporal_size=integer(64, 8, 4096, 4),
        temporal_overlap=integer(8, 4, 4096, 4),
    )


class VAEDecode(Node):
    inputs = takes(samples=link("LATENT"), vae=link("VAE"))
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, samples: Latent, **_: Any) -> Result:
        return Result((pictures(self.job, samples),))


class VAEDecodeTiled(Node):
    inputs = takes(
        samples=link("LATENT"),
        vae=link("VAE"),
        tile_size=integer(512, 64, 4096, 32),
        overlap=integer(64, 0, 4096, 32),
        temporal_size=integer(64, 8, 4096, 4),
        temporal_overlap=integer(8, 4, 4096, 4),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, samples: Latent, **_: Any) -> Result:
        return Result((pictures(self.job, samples),))


class LTXVSpatioTemporalTiledVAEDecode(Node):
    inputs = takes(
        vae=link("VAE"),
        latents=link("LATENT"),
        spatial_tiles=integer(4, 1, 8),
        spatial_overlap=integer(1, 0, 8),
        temporal_tile_length=integer(16, 2, 1000),
        temporal_overlap=integer(1, 0, 8),
        last_frame_fix=flag(default=False),
        working_device=choice("cpu", "auto"),
        working_dtype=choice("float16", "float32", "auto"),
    )
    outputs = (("IMAGE", "image"),)

    def run(self, *, latents: Latent, **_: Any) -> Result:
        return Result((pictures(self.job, latents),))


class LTXVAudioVAEDecode(Node):
    inputs = takes(samples=link("LATENT"), audio_vae=link("VAE"))
    outputs = (("AUDIO", "Audio"),)

    def run(self, *, samples: Latent, **_: Any) -> Result:
        both = samples.samples
        audio = both.audio if isinstance(both, AudioVideo) else both
        if audio.ndim != 4:
            raise RuntimeError(f"expected an audio latent [1, 8, L, 16], got {list(np.shape(audio))}")
        return Result((Audio(sound.decode(audio[0]), sound.RATE),))
