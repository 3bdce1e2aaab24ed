"""Spatial upscaling: half-resolution latents -> x2 in latent space -> refine -> full-resolution latents or video.

The sound is carried through: a zero noise mask freezes it, because an ordinary refine invents it anew
(facts/comfyui.md section 2).
"""

from shared import geometry, models, recipes
from shared.comfy import sections
from shared.comfy.graph import Graph, Link, Lora
from shared.contracts.keys import recipe_of
from shared.contracts.stage import SpatialUpscaleInput
from shared.contracts.vocabulary import Stage
from shared.stage import Names, StageDefinition, template

TEMPLATE = template("workers.spatial_upscale", "spatial_upscale").require(
    "Checkpoint",
    "Base video latent",
    "Base audio latent",
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
    sections.SAVE_VIDEO_LATENT,
    sections.SAVE_AUDIO_LATENT,
)

VAE = Link("Checkpoint", 2)
VIDEO, AUDIO = Link("Split sound", 0), Link("Split sound", 1)


def build(work: SpatialUpscaleInput, names: Names) -> Graph:
    """The graph of one spatial run."""
    recipe = recipe_of(work)
    if not isinstance(recipe, recipes.RefineRecipe):
        raise TypeError(f"spatial_upscale has no use for a {type(recipe).__name__}")
    graph = _what(work, names, recipe)
    graph = graph.lora_chain(Link("Checkpoint"), _loras(work, recipe))
    if work.image is not None:  # the upsampler drops the base's image conditioning, so it is made again
        graph = sections.hold_image(
            graph,
            latent=Link("Upscale x2"),
            vae=VAE,
            image=names.image,
            compression=recipe.image.compression,
            strength=recipe.image.strength,
        )
    if work.ending == "latents":
        return graph
    graph = graph.add("Audio VAE", "LTXVAudioVAELoader", ckpt_name=_checkpoint(work))
    return sections.decode(
        graph,
        video=VIDEO,
        audio=AUDIO,
        vae=VAE,
        audio_vae=Link("Audio VAE"),
        fps=geometry.FPS,
        recipe=recipe.decode,
        prefix=names.prefix("clip"),
    )


def _checkpoint(work: SpatialUpscaleInput) -> str:
    return models.checkpoint(work.quality, work.precision).name


def _what(work: SpatialUpscaleInput, names: Names, recipe: recipes.RefineRecipe) -> Graph:
    frames = geometry.clip(work.duration).generate
    carried = work.audio_latent.shape  # carry the sound's length, never recompute it
    length = carried[2] if carried else geometry.audio_latent_length(frames)
    return (
        TEMPLATE.set("Checkpoint", ckpt_name=_checkpoint(work))
        .set("Base video latent", latent=names.video_latent)
        .set("Base audio latent", latent=names.audio_latent)
        .set("Text conditioning", file_name=names.conditioning)
        .set("Frame rate", frame_rate=float(geometry.FPS))
        .set("Spatial upscaler", model_name=models.file("upscaler/spatial").name)
        .set("Zero mask", width=geometry.AUDIO_BINS, height=length)
        .set("Noise", noise_seed=work.seed)
        .set("Guider", cfg=recipe.cfg)
        .set("Sampler", sampler_name=recipe.sampler)
        .set("Sigmas", sigmas=sections.sigmas_text(recipe.sigmas))
        .set(sections.SAVE_VIDEO_LATENT, filename_prefix=names.prefix("video"))
        .set(sections.SAVE_AUDIO_LATENT, filename_prefix=names.prefix("audio"))
    )


def _loras(work: SpatialUpscaleInput, recipe: recipes.RefineRecipe) -> list[Lora]:
    """Distilled LoRA first, camera after it, as LTXVideo chains them."""
    loras = sections.camera(work.camera, recipe.camera_strength)
    if recipe.distilled_lora_strength is None:
        return loras
    distilled = Lora("Distilled LoRA", models.file("lora/distilled").name, recipe.distilled_lora_strength)
    return [distilled, *loras]


STAGE = StageDefinition(Stage.SPATIAL_UPSCALE, build)
