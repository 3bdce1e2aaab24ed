"""Detailer: more detail in full-size latents, in tiles along time, by an IC-LoRA. Pure: (graph, facts) -> graph."""

from shared import geometry, models
from shared.comfy import sections
from shared.comfy.graph import Graph, Link
from shared.recipes import DetailRecipe

TITLE = "Add detail"


def unmasked(graph: Graph, latent: Link, *, like: Link, frames: int) -> tuple[Graph, Link]:
    """The same latent without its noise mask; `like` is one of its shape that has none.

    What a refine returns still carries the mask that froze the sound and held the image. Tried on a real ComfyUI
    0.25: with it, the detailer leaves the first latent frame of an image-to-video as it is and takes no guide there,
    so that one frame has less detail than the rest; without it, the same latents come out as from a detailer that
    runs alone on the saved ones. No node drops a mask, but LatentConcat keeps only that of its first latent.
    """
    graph = graph.add("Beside an unmasked latent", "LatentConcat", samples1=like, samples2=latent, dim="-t")
    graph = graph.add(
        "Latent without mask",
        "LatentCut",
        samples=Link("Beside an unmasked latent"),
        dim="t",
        index=0,
        amount=geometry.latent_frames(frames),
    )
    return graph, Link("Latent without mask")


def add_detail(
    graph: Graph, recipe: DetailRecipe, *, video: Link, vae: Link, checkpoint: Link, conditioning: str, seed: int
) -> tuple[Graph, Link]:
    """The video latent with more detail; it is its own guide. The sound never comes here.

    `conditioning` is the file of the empty prompt's. The camera's LoRA is left out, as in LTXVideo's workflow.
    """
    lora = models.file("lora/detailer").name
    graph = graph.add("Detail conditioning", "LTXVLoadConditioning", file_name=conditioning, device="cpu")
    told = Link("Detail conditioning")
    graph = graph.add(
        "Detail frame rate", "LTXVConditioning", positive=told, negative=told, frame_rate=float(geometry.FPS)
    )
    graph = graph.add(
        "Detailer LoRA", "LoraLoaderModelOnly", model=checkpoint, lora_name=lora, strength_model=recipe.lora_strength
    )
    graph = graph.add("Detail noise", "RandomNoise", noise_seed=seed)
    graph = graph.add("Detail sampler", "KSamplerSelect", sampler_name=recipe.sampler)
    graph = graph.add("Detail sigmas", "ManualSigmas", sigmas=sections.sigmas_text(recipe.sigmas))
    graph = graph.add(
        "Detail guider",
        "CFGGuider",
        model=Link("Detailer LoRA"),
        positive=Link("Detail frame rate", 0),
        negative=Link("Detail frame rate", 1),
        cfg=recipe.cfg,
    )
    graph = graph.add(
        TITLE,
        "LTXVLoopingSampler",
        model=Link("Detailer LoRA"),
        vae=vae,
        noise=Link("Detail noise"),
        sampler=Link("Detail sampler"),
        sigmas=Link("Detail sigmas"),
        guider=Link("Detail guider"),
        latents=video,
        optional_guiding_latents=video,
        **recipe.model_dump(exclude={"sampler", "sigmas", "cfg", "prompt", "lora_strength"}),
    )
    return graph, Link(TITLE)
