"""Optional parts that more than one stage's graph takes. Pure: (graph, facts) -> graph.

Titles of the nodes that leave the graph are the same in every stage, so that one worker reads them all.
"""

from shared import models
from shared.comfy.graph import Graph, Link, Lora
from shared.contracts.vocabulary import Camera
from shared.recipes import Decode

SAVE_VIDEO_LATENT = "Save video latent"
SAVE_AUDIO_LATENT = "Save audio latent"
SAVE_CONDITIONING = "Save text conditioning"
SAVE_DETAIL_CONDITIONING = "Save detail conditioning"
SAVE_CLIP = "Save clip"
SAVE_SOUND = "Save sound"
DECODE_VIDEO = "Decode video"
DECODE_AUDIO = "Decode sound"


def camera(camera: Camera, strength: float | None) -> list[Lora]:
    """The camera's LoRA, if it has one and the recipe takes it."""
    file = models.camera_lora(camera)
    return [] if file is None or strength is None else [Lora(f"Camera {camera}", file.name, strength)]


def decode(
    graph: Graph,
    *,
    video: Link,
    audio: Link,
    vae: Link,
    audio_vae: Link,
    fps: int,
    recipe: Decode,
    clip: str,
    sound: str,
) -> Graph:
    """The video ending: tiled decode of both latents, each saved with next to no loss. The worker cuts and joins.

    `clip` and `sound` are prefixes: `<clip>_00001_.webm`, `<sound>_00001.flac`.

    Not SaveVideo: it encodes H.264 at a quality that cannot be set, and the delivered file would be a copy of a copy.
    """
    graph = graph.add(
        DECODE_VIDEO,
        "VAEDecodeTiled",
        samples=video,
        vae=vae,
        tile_size=recipe.tile_size,
        overlap=recipe.overlap,
        temporal_size=recipe.temporal_size,
        temporal_overlap=recipe.temporal_overlap,
    )
    graph = graph.add(DECODE_AUDIO, "LTXVAudioVAEDecode", samples=audio, audio_vae=audio_vae)
    graph = graph.add(
        SAVE_CLIP,
        "SaveWEBM",
        images=Link(DECODE_VIDEO),
        filename_prefix=clip,
        codec="av1",
        fps=float(fps),
        crf=recipe.clip_crf,
    )
    return graph.add(SAVE_SOUND, "SaveAudio", audio=Link(DECODE_AUDIO), filename_prefix=sound)


def hold_image(graph: Graph, *, latent: Link, vae: Link, image: str, compression: int | None, strength: float) -> Graph:
    """Image conditioning of a video latent in place: everything that read `latent` now reads the conditioned one.

    The image comes already fitted and padded to the generated size, so that no node crops or zooms it.
    """
    graph = graph.add("Image", "LoadImage", image=image)
    source = Link("Image")
    if compression is not None:
        graph = graph.add("Compress image", "LTXVPreprocess", image=source, img_compression=compression)
        source = Link("Compress image")
    return graph.insert(
        latent,
        "Hold image",
        "LTXVImgToVideoInplace",
        through="latent",
        vae=vae,
        image=source,
        strength=strength,
        bypass=False,
    )


def save_conditioning(graph: Graph, title: str, *, conditioning: Link, stem: str) -> Graph:
    """Text conditioning as `<stem>.safetensors`, for a stage without a text encoder.

    bf16 is what the checkpoint's own connectors work in. Guided conditioning loses its guide here.
    """
    return graph.add(title, "LTXVSaveConditioning", conditioning=conditioning, filename=stem, dtype="bfloat16")


def sigmas_text(sigmas: tuple[float, ...]) -> str:
    """As ManualSigmas reads them."""
    return ", ".join(map(str, sigmas))
