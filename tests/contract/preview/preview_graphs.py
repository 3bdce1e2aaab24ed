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


CONTROL_MODELS = {
    "loras": [
        *(f"ltx-2-19b-ic-lora-{kind}-control.safetensors" for kind in ("canny", "depth", "pose")),
        "ltx-2-19b-ic-lora-union-ref0.5.safetensors",
        "ltx-2-19b-ic-lora-detailer.safetensors",
    ],
    "checkpoints": ["sdpose_wholebody_fp16.safetensors"],
    "geometry_estimation": ["depth_anything_3_mono_large.safetensors"],
}


def control_map(kind: str, video: str, frames: int, size: tuple[int, int]) -> Graph:
    """The node "map" gives the control map of a video file; `kind` none gives its pictures as they are."""
    scale = {"upscale_method": "bicubic", "width": size[0], "height": size[1], "crop": "center"}
    graph = {
        "file": node("LoadVideo", file=video),
        "parts": node("GetVideoComponents", video=["file", 0]),
        "first": node("ImageFromBatch", image=["parts", 0], batch_index=0, length=frames),
        "map": node("ImageScale", image=["first", 0], **scale),
    }
    if kind != "none":
        graph["fitted"] = graph["map"]
    if kind == "canny":
        graph["map"] = node("Canny", image=["fitted", 0], low_threshold=0.4, high_threshold=0.8)
    if kind == "depth":
        graph["da3"] = node("LoadDA3Model", model_name=CONTROL_MODELS["geometry_estimation"][0], weight_dtype="default")
        how = {"resolution": 504, "resize_method": "lower_bound_resize", "mode": "mono"}
        graph["found"] = node("DA3Inference", da3_model=["da3", 0], image=["fitted", 0], **how)
        depth = {"output": "depth", "output.normalization": "v2_style", "output.apply_sky_clip": False}
        graph["map"] = node("DA3Render", da3_geometry=["found", 0], **depth)
    if kind == "pose":
        graph["sdpose"] = node("CheckpointLoaderSimple", ckpt_name=CONTROL_MODELS["checkpoints"][0])
        links = {"model": ["sdpose", 0], "vae": ["sdpose", 2], "image": ["fitted", 0]}
        graph["points"] = node("SDPoseKeypointExtractor", **links, batch_size=16)
        drawn = dict.fromkeys(("draw_body", "draw_hands", "draw_face", "draw_head"), True) | {"draw_feet": False}
        sizes = {"stick_width": 4, "face_point_size": 2, "score_threshold": 0.5}
        graph["map"] = node("SDPoseDrawKeypoints", keypoints=["points", 0], **drawn, **sizes)
    return graph


def controlled(
    prefix: str, kind: str, video: str, *, size: tuple[int, int], frames: int, lora: bool = True, **more: Any
) -> Graph:
    """A base that a control video guides; the guide is cropped off before saving."""
    graph = base(prefix, size=size, frames=frames, **more)
    graph |= control_map(kind, video, frames, size)
    kind = "pose" if kind == "none" else kind
    if lora:
        name = f"ltx-2-19b-ic-lora-{kind}-control.safetensors"
        before = graph["guider"]["inputs"]["model"]
        graph["ic"] = node("LTXICLoRALoaderModelOnly", model=before, lora_name=name, strength_model=1.0)
        graph["guider"]["inputs"]["model"] = ["ic", 0]
    texts = {"positive": ["cond", 0], "negative": ["cond", 1]}
    how = {"frame_idx": 0, "strength": 1.0, "latent_downscale_factor": 1.0, "crop": "disabled"}
    tiles = {"use_tiled_encode": False, "tile_size": 256, "tile_overlap": 64}
    links = {"vae": ["ckpt", 2], "latent": graph["joint"]["inputs"]["video_latent"], "image": ["map", 0]}
    graph["guide"] = node("LTXAddVideoICLoRAGuide", **texts, **links, **how, **tiles)
    graph["guider"]["inputs"] |= {"positive": ["guide", 0], "negative": ["guide", 1]}
    graph["joint"]["inputs"]["video_latent"] = ["guide", 2]
    graph["cropped"] = node("LTXVCropGuides", positive=["guide", 0], negative=["guide", 1], latent=["apart", 0])
    graph["video"]["inputs"]["samples"] = ["cropped", 2]
    return graph


def detailed(prefix: str, source: str, **more: Any) -> Graph:
    """The video latent of `source` with the detail of the detailer LoRA, tile by tile."""
    graph = _models(None)
    graph["v"] = node("LoadLatent", latent=f"{source}_video_00001_.latent [output]")
    graph["text"] = node("LTXVLoadConditioning", file_name=f"{source.replace('/', '_')}.safetensors", device="cpu")
    name = "ltx-2-19b-ic-lora-detailer.safetensors"
    graph["lora"] = node("LoraLoaderModelOnly", model=["ckpt", 0], lora_name=name, strength_model=1.0)
    graph["cond"] = node("LTXVConditioning", positive=["text", 0], negative=["text", 0], frame_rate=24.0)
    graph["guider"] = node("CFGGuider", model=["lora", 0], positive=["cond", 0], negative=["cond", 1], cfg=1.0)
    graph["sigmas"] = node("ManualSigmas", sigmas=REFINE_SIGMAS)
    graph["noise"] = node("RandomNoise", noise_seed=42)
    links = {name: [name, 0] for name in ("noise", "guider", "sampler", "sigmas")}
    links |= {"model": ["lora", 0], "vae": ["ckpt", 2], "latents": ["v", 0], "optional_guiding_latents": ["v", 0]}
    tiles = {"temporal_tile_size": 56, "temporal_overlap": 24, "horizontal_tiles": 1, "vertical_tiles": 1} | more
    strengths = {"guiding_strength": 1.0, "temporal_overlap_cond_strength": 0.5, "cond_image_strength": 1.0}
    strengths["adain_factor"] = 0.0
    graph["loop"] = node("LTXVLoopingSampler", **links, **tiles, **strengths, spatial_overlap=1)
    graph["video"] = node("SaveLatent", samples=["loop", 0], filename_prefix=f"{prefix}_video")
    return graph


def ending(
    samples: list[Any], prefix: str, *, size: tuple[int, int], frames: int, y: int = 0, fps: int = 24
) -> dict[str, Any]:
    """The node that ends the workers' graphs, of a graph with "vae" and "sound"."""
    tiles = {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 24}
    crop = {"x": 0, "y": y, "width": size[0], "height": size[1], "shrink": 1}
    how = {"crf": 18, "preset": "veryfast", "comment": "LTX-2", "filename_prefix": prefix}
    links = {"samples": samples, "vae": ["vae", 0], "audio": ["sound", 0]}
    return node("MivoDecodeToVideo", **links, **tiles, fps=fps, frames=frames, **crop, **how)


def delivered(prefix: str, source: str, *, size: tuple[int, int], y: int, frames: int, fps: int) -> Graph:
    """As `decode` with `temporal`, but it ends as the workers' graphs do."""
    graph = decode(prefix, source, temporal=True)
    for name in ("pictures", "clip"):
        del graph[name]
    graph["save"] = ending(["longer", 0], prefix, size=size, frames=frames, y=y, fps=fps)
    return graph


def sleeping(seconds: float, nonce: int, kind: str = "TestSleep") -> Graph:
    return {"1": node(kind, seconds=seconds, nonce=nonce), "2": node("PreviewImage", images=["1", 0])}


def cheap(colour: int, prefix: str = "cap/ok") -> Graph:
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=colour),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }
