"""Loaders: they load nothing, and remember the name. A name that is not offered is refused by the validation."""

from typing import Any

from local.comfyui_preview.engine.inputs import choice, integer, link, model_file, number, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.values import Clip, Model, Upscaler, Vae


class CheckpointLoaderSimple(Node):
    """Slot 1 is None: LTX-2 checkpoints hold no text encoder (facts/comfyui.md section 2)."""

    inputs = takes(ckpt_name=model_file("checkpoints"))
    outputs = (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE"))

    def run(self, *, ckpt_name: str) -> Result:
        return Result((Model(ckpt_name), None, Vae(ckpt_name)))


class UNETLoader(Node):
    inputs = takes(
        unet_name=model_file("diffusion_models", "unet"),
        weight_dtype=choice("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"),
    )
    outputs = (("MODEL", "MODEL"),)

    def run(self, *, unet_name: str, **_: Any) -> Result:
        return Result((Model(unet_name),))


class VAELoader(Node):
    inputs = takes(vae_name=model_file("vae"))
    outputs = (("VAE", "VAE"),)

    def run(self, *, vae_name: str) -> Result:
        return Result((Vae(vae_name),))


class LTXVAudioVAELoader(Node):
    inputs = takes(ckpt_name=model_file("checkpoints"))
    outputs = (("VAE", "Audio VAE"),)

    def run(self, *, ckpt_name: str) -> Result:
        return Result((Vae(ckpt_name),))


class LTXAVTextEncoderLoader(Node):
    inputs = takes(
        text_encoder=model_file("text_encoders"),
        ckpt_name=model_file("checkpoints"),
        device=choice("default", "cpu"),
    )
    outputs = (("CLIP", "CLIP"),)

    def run(self, *, text_encoder: str, **_: Any) -> Result:
        return Result((Clip(text_encoder),))


class LTXVGemmaCLIPModelLoader(Node):
    inputs = takes(
        gemma_path=model_file("text_encoders"),
        ltxv_path=model_file("checkpoints"),
        max_length=integer(1024, 16, 131072, 8),
    )
    outputs = (("CLIP", "clip"),)

    def run(self, *, gemma_path: str, **_: Any) -> Result:
        return Result((Clip(gemma_path),))


class LatentUpscaleModelLoader(Node):
    inputs = takes(model_name=model_file("latent_upscale_models"))
    outputs = (("LATENT_UPSCALE_MODEL", "LATENT_UPSCALE_MODEL"),)

    def run(self, *, model_name: str) -> Result:
        return Result((Upscaler(model_name),))


class LoraLoaderModelOnly(Node):
    inputs = takes(
        model=link("MODEL"),
        lora_name=model_file("loras"),
        strength_model=number(1.0, -100.0, 100.0, 0.01),
    )
    outputs = (("MODEL", "MODEL"),)

    def run(self, *, model: Model, lora_name: str, strength_model: float) -> Result:
        return Result((model.with_lora(lora_name, strength_model),))


class LTXICLoRALoaderModelOnly(Node):
    inputs = LoraLoaderModelOnly.inputs
    outputs = (("MODEL", "model"), ("FLOAT", "latent_downscale_factor"))

    def run(self, *, model: Model, lora_name: str, strength_model: float) -> Result:
        loaded = model.with_lora(lora_name, strength_model)
        return Result((loaded, float(loaded.reference_downscale)))


class LoadDA3Model(Node):
    inputs = takes(
        model_name=model_file("geometry_estimation"),
        weight_dtype=choice("default", "fp16", "bf16", "fp32"),
    )
    outputs = (("DA3_MODEL", "DA3_MODEL"),)

    def run(self, *, model_name: str, **_: Any) -> Result:
        return Result((Model(model_name),))
