"""The early look: the latents that the base has just left, decoded once more as a clip of half size. Pure.

It goes to ComfyUI as a prompt of its own, after the manifest was written, so that the next stage waits for nothing.
"""

from shared import delivery
from shared.comfy import sections
from shared.comfy.failures import is_model_loader
from shared.comfy.graph import Graph, Link
from shared.contracts.keys import recipe_of
from shared.contracts.stage import BaseGenInput
from shared.stage import Names

LATENT, SOUND = "Video latent", "Audio latent"


def of(base: Graph, work: BaseGenInput, names: Names, *, vae: Link, audio_vae: Link) -> Graph:
    """From the graph of the base; the latents are read under the names that every later stage reads them under.

    All weights of the base stay in it, though most lead to no output: ComfyUI forgets what a node gave once a prompt
    lacks that node, and the next job would read the text encoder from disk again.
    """
    graph = base.remove(*(title for title, node in base.nodes.items() if not is_model_loader(node.class_type)))
    graph = graph.add(LATENT, "LoadLatent", latent=names.video_latent)
    graph = graph.add(SOUND, "LoadLatent", latent=names.audio_latent)
    return sections.video(
        graph,
        video=Link(LATENT),
        audio=Link(SOUND),
        vae=vae,
        audio_vae=audio_vae,
        recipe=recipe_of(work).decode,
        delivery=delivery.early_look(work),
        prefix=names.prefix("look"),
    )
