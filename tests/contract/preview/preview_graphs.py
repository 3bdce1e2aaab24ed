"""The graphs of the three stages in small, so that these tests need nothing from outside of the repository."""

from typing import Any

Graph = dict[str, dict[str, Any]]
CHECKPOINT = "ltx-2-19b-distilled.safetensors"
BASE_SIGMAS = "1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0"
REFINE_SIGMAS = "0.909375, 0.725, 0.421875, 0.0"


def node(kind: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def _models(camera: str | None) -> Graph:
    graph = {
        "ckpt": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "avae": node("LTXVAudioVAELoader", ckpt_name=CHECKPOINT),
        "sampler": node("KSamplerSelect", sampler_name="euler"),
    }
    if camera:
        name = f"ltx-2-19b-lora-camera-control-{camera}.safetensors"
        graph["lora"] = node("LoraLoaderModelOnly", model=["ckpt", 0], lora_name=name, strength_model=1.0)
    return graph


def _sample(graph: Graph, sigmas: str, seed: int, positive: list[Any]) -> None:
    model = ["lora", 0] if "lora" in graph else ["ckpt", 0]
    graph["cond"] = node("LTXVConditioning", positive=positive, negative=positive, frame_rate=24.0)
    graph["guider"] = node("CFGGuider", model=model, positive=["cond", 0], negative=["cond", 1], cfg=1.0)
    graph["sigmas"] = node("ManualSigmas", sigmas=sigmas)
    graph["noise"] = node("RandomNoise", noise_seed=seed)
    links = {"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["sampler", 0], "sigmas": ["sigmas", 0]}
    graph["sample"] = node("SamplerCustomAdvanced", **links, latent_image=["joint", 0])
    graph["apart"] = node("LTXVSeparateAVLatent", av_latent=["sample", 0])


def _image(graph: Graph, image: str, latent: list[Any]) -> None:
    graph["picture"] = node("LoadImage", image=image)
    links = {"vae": ["ckpt", 2], "image": ["picture", 0], "latent": latent}
    graph["inplace"] = node("LTXVImgToVideoInplace", **links, strength=1.0, bypass=False)


def base(
    prefix: str,
    *,
    size: tuple[int, int] = (128, 64),
    frames: int = 17,
    prompt: str = "a lighthouse in a storm",
    seed: int = 42,
    camera: str | None = None,
    image: str | None = None,
) -> Graph:
    """Text (or text and image) -> two latents and the conditioning, all named after `prefix`."""
    graph = _models(camera)
    graph["clip"] = node(
        "LTXAVTextEncoderLoader", text_encoder="gemma_3_12B_it.safetensors", ckpt_name=CHECKPOINT, device="default"
    )
    graph["text"] = node("CLIPTextEncode", clip=["clip", 0], text=prompt)
    graph["empty"] = node("EmptyLTXVLatentVideo", width=size[0], height=size[1], length=frames, batch_size=1)
    graph["silence"] = node(
        "LTXVEmptyLatentAudio", frames_number=frames, frame_rate=24, batch_size=1, audio_vae=["avae", 0]
    )
    if image:
        _image(graph, image, ["empty", 0])
    video = ["inplace", 0] if image else ["empty", 0]
    graph["joint"] = node("LTXVConcatAVLatent", video_latent=video, audio_latent=["silence", 0])
    _sample(graph, BASE_SIGMAS, seed, ["text", 0])
    graph["video"] = node("SaveLatent", samples=["apart", 0], filename_prefix=f"{prefix}_video")
    graph["audio"] = node("SaveLatent", samples=["apart", 1], filename_prefix=f"{prefix}_audio")
    graph["keep"] = node(
        "LTXVSaveConditioning", conditioning=["text", 0], filename=prefix.replace("/", "_"), dtype="bfloat16"
    )
    return graph


def refine(
    prefix: str, source: str, *, freeze_audio: bool = True, camera: str | None = None, image: str | None = None
) -> Graph:
    """The latents of `source` -> twice the size, refined."""
    graph = _models(camera)
    graph["v"] = node("LoadLatent", latent=f"{source}_video_00001_.latent [output]")
    graph["a"] = node("LoadLatent", latent=f"{source}_audio_00001_.latent [output]")
    graph["text"] = node("LTXVLoadConditioning", file_name=f"{source.replace('/', '_')}.safetensors", device="cpu")
    graph["model"] = node("LatentUpscaleModelLoader", model_name="ltx-2-spatial-upscaler-x2-1.0.safetensors")
    graph["large"] = node("LTXVLatentUpsampler", samples=["v", 0], upscale_model=["model", 0], vae=["ckpt", 2])
    if image:
        _image(graph, image, ["large", 0])
    audio: list[Any] = ["a", 0]
    if freeze_audio:
        graph["mask"] = node("SolidMask", value=0.0, width=16, height=16)
        graph["frozen"] = node("SetLatentNoiseMask", samples=["a", 0], mask=["mask", 0])
        audio = ["frozen", 0]
    video = ["inplace", 0] if image else ["large", 0]
    graph["joint"] = node("LTXVConcatAVLatent", video_latent=video, audio_latent=audio)
    _sample(graph, REFINE_SIGMAS, 420, ["text", 0])
    graph["video"] = node("SaveLatent", samples=["apart", 0], filename_prefix=f"{prefix}_video")
    graph["audio"] = node("SaveLatent", samples=["apart", 1], filename_prefix=f"{prefix}_audio")
    return graph


def decode(prefix: str, source: str, *, temporal: bool = False, fps: float = 24.0) -> Graph:
    """The latents of `source` -> an mp4, at twice the frames with `temporal`."""
    graph = {
        "vae": node("VAELoader", vae_name="ltx-2-19b-video-vae.safetensors"),
        "avae": node("LTXVAudioVAELoader", ckpt_name="ltx-2-19b-audio-vae.safetensors"),
        "v": node("LoadLatent", latent=f"{source}_video_00001_.latent [output]"),
        "a": node("LoadLatent", latent=f"{source}_audio_00001_.latent [output]"),
        "sound": node("LTXVAudioVAEDecode", samples=["a", 0], audio_vae=["avae", 0]),
    }
    latent: list[Any] = ["v", 0]
    if temporal:
        graph["model"] = node("LatentUpscaleModelLoader", model_name="ltx-2-temporal-upscaler-x2-1.0.safetensors")
        graph["longer"] = node("LTXVLatentUpsampler", samples=latent, upscale_model=["model", 0], vae=["vae", 0])
        latent = ["longer", 0]
    tiles = {"tile_size": 512, "overlap": 64, "temporal_size": 4096, "temporal_overlap": 8}
    graph["pictures"] = node("VAEDecodeTiled", samples=latent, vae=["vae", 0], **tiles)
    graph["clip"] = node("CreateVideo", images=["pictures", 0], audio=["sound", 0], fps=fps)
    graph["save"] = node("SaveVideo", video=["clip", 0], filename_prefix=prefix, format="auto", codec="auto")
    return graph


def cropped(graph: Graph, *, width: int, height: int, y: int, frames: int) -> Graph:
    """The same with the first frames only, cut to the delivered size."""
    graph["cut"] = node("ImageCrop", image=["pictures", 0], width=width, height=height, x=0, y=y)
    graph["span"] = node("ImageFromBatch", image=["cut", 0], batch_index=0, length=frames)
    graph["clip"]["inputs"]["images"] = ["span", 0]
    return graph


def sleeping(seconds: float, nonce: int, kind: str = "TestSleep") -> Graph:
    return {"1": node(kind, seconds=seconds, nonce=nonce), "2": node("PreviewImage", images=["1", 0])}


def cheap(colour: int, prefix: str = "cap/ok") -> Graph:
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=colour),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }
