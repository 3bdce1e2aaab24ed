"""Optional parts that more than one stage's graph takes. Pure: (graph, facts) -> graph.

Titles of the nodes that leave the graph are the same in every stage, so that one worker reads them all.
"""

from shared import models
from shared.comfy.graph import Graph, Link, Lora
from shared.contracts.vocabulary import Camera
from shared.delivery import Delivery
from shared.recipes import Decode

SAVE_VIDEO_LATENT = "Save video latent"
SAVE_AUDIO_LATENT = "Save audio latent"
SAVE_CONDITIONING = "Save text conditioning"
SAVE_DETAIL_CONDITIONING = "Save detail conditioning"
SAVE_VIDEO = "Save video"
DECODE_AUDIO = "Decode sound"

DECODE_TO_VIDEO = "MivoDecodeToVideo"
"""Our own node class (workers/comfy_nodes/mivo)."""


def camera(camera: Camera, strength: float | None) -> list[Lora]:
    """The camera's LoRA, if it has one and the recipe takes it."""
    file = models.camera_lora(camera)
    return [] if file is None or strength is None else [Lora(f"Camera {camera}", file.name, strength)]


def video(
    graph: Graph,
    *,
    video: Link,
    audio: Link,
    vae: Link,
    audio_vae: Link,
    recipe: Decode,
    delivery: Delivery,
    prefix: str,
) -> Graph:
    """The video ending: both latents decoded, cut and encoded into `<prefix>_00001_.mp4`, the file that is delivered.

    One node decodes and encodes, so that the clip is never whole in memory and is encoded once
    (docs/adr/0006-a-node-of-our-own-decodes-and-encodes.md).
    """
    graph = graph.add(DECODE_AUDIO, "LTXVAudioVAEDecode", samples=audio, audio_vae=audio_vae)
    return graph.add(
        SAVE_VIDEO,
        DECODE_TO_VIDEO,
        samples=video,
        vae=vae,
        audio=Link(DECODE_AUDIO),
        **recipe.model_dump(),
        fps=delivery.clip.fps,
        frames=delivery.clip.deliver,
        x=delivery.crop.x,
        y=delivery.crop.y,
        width=delivery.crop.width,
        height=delivery.crop.height,
        shrink=delivery.shrink,
        crf=delivery.crf,
        preset=delivery.preset,
        comment=delivery.comment,
        filename_prefix=prefix,
    )


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
