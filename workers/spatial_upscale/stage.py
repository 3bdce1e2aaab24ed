"""Spatial upscaling: half-resolution latents -> x2 in latent space -> refine -> full-resolution latents or video.

After the refine, or alone on latents that are at full size already, the detailer. The sound is carried through: a
zero noise mask freezes it, because an ordinary refine invents it anew (facts/comfyui.md section 2).
"""

from shared import delivery, geometry, models, recipes
from shared.comfy import sections
from shared.comfy.graph import Graph, Link, Lora
from shared.contracts.keys import recipe_of
from shared.contracts.stage import SpatialUpscaleInput
from shared.contracts.vocabulary import Quality, Stage
from shared.stage import Names, StageDefinition, template
from workers.spatial_upscale import detail

LATENTS = ("Checkpoint", "Base video latent", "Base audio latent")
REFINE = (
    "Text conditioning",
    "Frame rate",
    "Spatial upscaler",
    "Upscale x2",
    "Zero mask",
    "Freeze sound",
    "Join sound",
    "Noise",
    "Guider",
    "Sampler",
    "Sigmas",
    "Sample",
    "Split sound",
)
SAVE = (sections.SAVE_VIDEO_LATENT, sections.SAVE_AUDIO_LATENT)
TEMPLATE = template("workers.spatial_upscale", "spatial_upscale").require(*LATENTS, *REFINE, *SAVE)

VAE = Link("Checkpoint", 2)


def build(work: SpatialUpscaleInput, names: Names) -> Graph:
    """The graph of one spatial run."""
    recipe = recipe_of(work)
    if not isinstance(recipe, recipes.SpatialRecipe):
        raise TypeError(f"spatial_upscale has no use for a {type(recipe).__name__}")
    graph = (
        TEMPLATE.set("Checkpoint", ckpt_name=_checkpoint(work))
        .set("Base video latent", latent=names.video_latent)
        .set("Base audio latent", latent=names.audio_latent)
        .set(sections.SAVE_VIDEO_LATENT, filename_prefix=names.prefix("video"))
        .set(sections.SAVE_AUDIO_LATENT, filename_prefix=names.prefix("audio"))
    )
    if recipe.refine is not None:
        graph = _refine(graph, work, names, recipe.refine)
    else:
        graph = graph.remove(*REFINE).set(sections.SAVE_AUDIO_LATENT, samples=Link("Base audio latent"))
        graph = graph.set(sections.SAVE_VIDEO_LATENT, samples=Link("Base video latent"))
    if recipe.detail is not None:
        graph = _detail(graph, work, names, recipe.detail)
    if work.ending == "latents":
        return graph
    graph = graph.add("Audio VAE", "LTXVAudioVAELoader", ckpt_name=_checkpoint(work))
    return sections.video(
        graph,
        video=graph.node(sections.SAVE_VIDEO_LATENT).inputs["samples"],
        audio=graph.node(sections.SAVE_AUDIO_LATENT).inputs["samples"],
        vae=VAE,
        audio_vae=Link("Audio VAE"),
        recipe=recipe.decode,
        delivery=delivery.of(work),
        prefix=names.prefix("clip"),
    )


def _checkpoint(work: SpatialUpscaleInput) -> str:
    """That of the refine; without one, that of the detailer."""
    chosen = (
        models.checkpoint(work.quality, work.precision) if work.upscale else models.detail_checkpoint(work.precision)
    )
    return chosen.name


def _refine(graph: Graph, work: SpatialUpscaleInput, names: Names, recipe: recipes.RefineRecipe) -> Graph:
    frames = geometry.clip(work.duration).generate
    carried = work.audio_latent.shape  # carry the sound's length, never recompute it
    length = carried[2] if carried else geometry.audio_latent_length(frames)
    graph = (
        graph.set("Text conditioning", file_name=names.conditioning)
        .set("Frame rate", frame_rate=float(geometry.FPS))
        .set("Spatial upscaler", model_name=models.file("upscaler/spatial").name)
        .set("Zero mask", width=geometry.AUDIO_BINS, height=length)
        .set("Noise", noise_seed=work.seed)
        .set("Guider", cfg=recipe.cfg)
        .set("Sampler", sampler_name=recipe.sampler)
        .set("Sigmas", sigmas=sections.sigmas_text(recipe.sigmas))
        .lora_chain(Link("Checkpoint"), _loras(work, recipe))
    )
    if work.image is None:
        return graph
    return sections.hold_image(  # the upsampler drops the base's image conditioning, so it is made again
        graph,
        latent=Link("Upscale x2"),
        vae=VAE,
        image=names.image,
        compression=recipe.image.compression,
        strength=recipe.image.strength,
    )


def _loras(work: SpatialUpscaleInput, recipe: recipes.RefineRecipe) -> list[Lora]:
    """Distilled LoRA first, camera after it, as LTXVideo chains them."""
    loras = sections.camera(work.camera, recipe.camera_strength)
    if recipe.distilled_lora_strength is None:
        return loras
    distilled = Lora("Distilled LoRA", models.file("lora/distilled").name, recipe.distilled_lora_strength)
    return [distilled, *loras]


def _detail(graph: Graph, work: SpatialUpscaleInput, names: Names, recipe: recipes.DetailRecipe) -> Graph:
    """Between what was made so far and where it is saved. The dev checkpoint is loaded once where both need it."""
    checkpoint, video = Link("Checkpoint"), graph.node(sections.SAVE_VIDEO_LATENT).inputs["samples"]
    if work.upscale:
        frames = geometry.clip(work.duration).generate
        graph, video = detail.unmasked(graph, video, like=Link("Upscale x2"), frames=frames)
        if work.quality is Quality.FAST:
            name = models.detail_checkpoint(work.precision).name
            graph = graph.add("Detail checkpoint", "CheckpointLoaderSimple", ckpt_name=name)
            checkpoint = Link("Detail checkpoint")
    graph, video = detail.add_detail(
        graph,
        recipe,
        video=video,
        vae=VAE,
        checkpoint=checkpoint,
        conditioning=names.detail_conditioning,
        seed=work.seed,
    )
    return graph.set(sections.SAVE_VIDEO_LATENT, samples=video)


STAGE = StageDefinition(Stage.SPATIAL_UPSCALE, build)
