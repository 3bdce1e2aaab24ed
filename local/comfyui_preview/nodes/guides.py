"""Guides: pictures appended to a video latent, which an IC-LoRA follows (facts/comfyui.md section 2, IC-LoRA)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from local.comfyui_preview.engine.inputs import choice, flag, integer, link, number, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.numerics.encode import encode
from local.comfyui_preview.numerics.frames import Frames, cut
from local.comfyui_preview.values import AudioVideo, AudioVideoMask, Conditioning, Guide, Image, Latent, Model


@dataclass(frozen=True)
class ICLoRAParameters:
    reference_downscale: int


class GetICLoRAParameters(Node):
    inputs = takes(iclora_model=link("MODEL"))
    outputs = (("IC_LORA_PARAMETERS", "iclora_parameters"),)

    def run(self, *, iclora_model: Model) -> Result:
        return Result((ICLoRAParameters(iclora_model.reference_downscale),))


class _AddGuide(Node):
    """What the two nodes that append a guide share."""

    outputs = (("CONDITIONING", "positive"), ("CONDITIONING", "negative"), ("LATENT", "latent"))

    def add(
        self, positive: Conditioning, negative: Conditioning, latent: Latent, image: Frames, at: tuple[int, float, int]
    ) -> Result:
        """`at` is (frame index, strength, downscale factor). Raises what a real one was recorded to raise."""
        frame_idx, strength, coarse = at
        if isinstance(latent.samples, AudioVideo):
            raise TypeError("expected Tensor as element 0 in argument 0, but got NestedTensor")
        samples = latent.samples
        frames, height, width = samples.shape[2:]
        if height % coarse or width % coarse:
            size, factor = f"{width}x{height}", float(coarse)
            raise ValueError(f"Latent spatial size {size} must be divisible by latent_downscale_factor {factor}")
        count = (image.count - 1) // codec.FRAMES_PER_LATENT + 1
        first = _first(frame_idx, count, frames - positive.guide_frames)
        if first + count > frames:
            raise AssertionError("Conditioning frames exceed the length of the latent sequence.")
        tokens = encode(image, height, width, coarse=coarse)[np.newaxis]
        guide = Guide(first, count, strength)
        mask = _mask_of(latent)
        mask = np.concatenate([mask, np.full_like(mask[:, :, :1].repeat(count, 2), 1 - strength)], axis=2)
        longer = Latent(np.concatenate([samples, tokens], axis=2), mask)
        both = (replace(given, guides=(*given.guides, guide)) for given in (positive, negative))
        return Result((*both, longer))


def _first(frame_idx: int, count: int, frames: int) -> int:
    """The latent frame that stands for pixel frame `frame_idx`; a negative one counts from the end."""
    if frame_idx < 0:
        frame_idx = max(codec.frames_of(frames) + frame_idx, 0)
    if count > 1 and frame_idx:
        frame_idx = (frame_idx - 1) // codec.FRAMES_PER_LATENT * codec.FRAMES_PER_LATENT + 1
    return (frame_idx + codec.FRAMES_PER_LATENT - 1) // codec.FRAMES_PER_LATENT


def _mask_of(latent: Latent) -> F32:
    """The noise mask [1, 1, T, h or 1, w or 1] of a video latent; without one, all of it may change."""
    samples = latent.plain()
    if latent.mask is None or isinstance(latent.mask, AudioVideoMask):
        return np.ones((1, 1, samples.shape[2], 1, 1), np.float32)
    return f32(np.broadcast_to(latent.mask, (1, 1, samples.shape[2], *latent.mask.shape[3:])))


def _centred(image: Image, aspect: float) -> Frames:
    """The largest part around the middle with this width / height."""
    width = min(image.width, round(image.height * aspect))
    height = min(image.height, round(image.width / aspect))
    return cut(image, x=(image.width - width) // 2, y=(image.height - height) // 2, width=width, height=height)


class LTXVAddGuide(_AddGuide):
    """The attention mask is taken and not used: the preview has no attention."""

    inputs = takes(
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        vae=link("VAE"),
        latent=link("LATENT"),
        image=link("IMAGE"),
        frame_idx=integer(0, -9999, 9999),
        strength=number(1.0, 0.0, 10.0, 0.01),
        attention_mask=link("MASK", optional=True),
        iclora_parameters=link("IC_LORA_PARAMETERS", optional=True),
    )

    def run(
        self,
        *,
        positive: Conditioning,
        negative: Conditioning,
        latent: Latent,
        image: Image,
        frame_idx: int,
        strength: float,
        iclora_parameters: ICLoRAParameters | None = None,
        **_: Any,
    ) -> Result:
        coarse = iclora_parameters.reference_downscale if iclora_parameters else 1
        return self.add(positive, negative, latent, image, (frame_idx, strength, coarse))


class LTXAddVideoICLoRAGuide(_AddGuide):
    inputs = takes(
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        vae=link("VAE"),
        latent=link("LATENT"),
        image=link("IMAGE"),
        frame_idx=integer(0, -9999, 9999),
        strength=number(1.0, 0.0, 1.0, 0.01),
        latent_downscale_factor=number(1.0, 1.0, 10.0, 1.0),
        crop=choice("disabled", "center"),
        use_tiled_encode=flag(default=False),
        tile_size=integer(256, 64, 512, 32),
        tile_overlap=integer(64, 16, 256, 16),
    )

    def run(
        self,
        *,
        positive: Conditioning,
        negative: Conditioning,
        latent: Latent,
        image: Image,
        frame_idx: int,
        strength: float,
        latent_downscale_factor: float,
        crop: str,
        **_: Any,
    ) -> Result:
        if crop == "center":
            height, width = latent.plain().shape[-2:]
            image = _centred(image, width / height)
        return self.add(positive, negative, latent, image, (frame_idx, strength, round(latent_downscale_factor)))


class LTXVCropGuides(Node):
    """Takes the guides off again. Without it they are saved with the latent, and decoded with the video."""

    inputs = takes(positive=link("CONDITIONING"), negative=link("CONDITIONING"), latent=link("LATENT"))
    outputs = (("CONDITIONING", "positive"), ("CONDITIONING", "negative"), ("LATENT", "latent"))

    def run(self, *, positive: Conditioning, negative: Conditioning, latent: Latent) -> Result:
        samples, mask = latent.plain(), _mask_of(latent)
        kept = samples.shape[2] - positive.guide_frames
        cropped = Latent(samples[:, :, :kept], mask[:, :, :kept])
        return Result((replace(positive, guides=()), replace(negative, guides=()), cropped))
