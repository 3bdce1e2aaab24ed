"""Base generation: prompt (and image, and control) -> latents with sound, and a video when no stage follows."""

from shared import delivery, geometry, models, recipes
from shared.comfy import sections
from shared.comfy.graph import Graph, Link
from shared.contracts.keys import recipe_of
from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import Stage, TextEncoder
from shared.stage import Names, StageDefinition, template
from workers.base_gen import control, look

TEMPLATE = template("workers.base_gen", "base_gen").require(
    "Checkpoint",
    "Audio VAE",
    "Text encoder",
    "Positive prompt",
    "Frame rate",
    "Empty video latent",
    "Empty audio latent",
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
AUDIO_VAE = Link("Audio VAE")
AUDIO = Link("Split sound", 1)
GEMMA_TOKENS = 1024
"""A prompt is padded to these (facts/ltx2.md section 1.5)."""


def build(work: BaseGenInput, names: Names) -> Graph:
    """The graph of one base run."""
    recipe = recipe_of(work)
    if not isinstance(recipe, recipes.BaseRecipe):
        raise TypeError(f"base_gen has no use for a {type(recipe).__name__}")
    graph = _what(work, names, recipe)
    graph = _sampling(graph, recipe)
    graph = graph.lora_chain(Link("Checkpoint"), sections.camera(work.lora_camera, recipe.camera_strength))
    if work.image is not None:
        graph = sections.hold_image(
            graph,
            latent=Link("Empty video latent"),
            vae=VAE,
            image=names.image,
            compression=recipe.image.compression,
            strength=recipe.image.strength,
        )
    if work.control is not None and recipe.control is not None:
        graph = graph.lora_chain(Link("Checkpoint"), [control.ic_lora(work.control, recipe.control)])
        graph = control.guide(graph, work.control, recipe.control, video=names.control, vae=VAE)
    return _endings(graph, work, names, recipe)


def _what(work: BaseGenInput, names: Names, recipe: recipes.BaseRecipe) -> Graph:
    checkpoint = models.checkpoint(work.quality, work.precision).name
    size = geometry.tier(work.resolution, half=work.half_resolution).generate
    frames = geometry.clip(work.duration).generate
    return (
        _text_encoder(work, checkpoint)
        .set("Checkpoint", ckpt_name=checkpoint)
        .set("Audio VAE", ckpt_name=checkpoint)
        .set("Positive prompt", text=work.prompt)
        .set("Frame rate", frame_rate=float(geometry.FPS))
        .set("Empty video latent", width=size.width, height=size.height, length=frames)
        .set("Empty audio latent", frames_number=frames, frame_rate=geometry.FPS)
        .set("Noise", noise_seed=work.seed)
        .set("Guider", cfg=recipe.cfg)
        .set("Sampler", sampler_name=recipe.sampler)
        .set(sections.SAVE_VIDEO_LATENT, filename_prefix=names.prefix("video"))
        .set(sections.SAVE_AUDIO_LATENT, filename_prefix=names.prefix("audio"))
    )


def _text_encoder(work: BaseGenInput, checkpoint: str) -> Graph:
    gemma = models.text_encoder(work.text_encoder, work.precision)[0].name
    if work.text_encoder is TextEncoder.SINGLE:
        return TEMPLATE.set("Text encoder", text_encoder=gemma, ckpt_name=checkpoint)
    return TEMPLATE.remove("Text encoder").add(
        "Text encoder", "LTXVGemmaCLIPModelLoader", gemma_path=gemma, ltxv_path=checkpoint, max_length=GEMMA_TOKENS
    )


def _sampling(graph: Graph, recipe: recipes.BaseRecipe) -> Graph:
    """Fast: fixed sigmas, and a negative that cfg 1 never looks at. Pro: scheduler and a constant negative."""
    if recipe.sigmas is not None:
        return graph.set("Sigmas", sigmas=sections.sigmas_text(recipe.sigmas))
    if recipe.scheduler is None or recipe.negative_prompt is None:
        raise ValueError("a recipe without sigmas needs a scheduler and a negative prompt")
    graph = graph.remove("Sigmas").add(
        "Sigmas", "LTXVScheduler", **recipe.scheduler.model_dump(), latent=Link("Join sound")
    )
    graph = graph.add("Negative prompt", "CLIPTextEncode", text=recipe.negative_prompt, clip=Link("Text encoder"))
    return graph.set("Frame rate", negative=Link("Negative prompt"))


def _endings(graph: Graph, work: BaseGenInput, names: Names, recipe: recipes.BaseRecipe) -> Graph:
    if work.half_resolution:  # a refine may follow, and it has no text encoder
        graph = sections.save_conditioning(
            graph, sections.SAVE_CONDITIONING, conditioning=Link("Positive prompt"), stem=names.conditioning_stem
        )
    # nor has a detailer; left whether one is asked for or not, so that turning it on later makes nothing here again
    graph = graph.add("Detail prompt", "CLIPTextEncode", text=recipes.DETAIL_PROMPT, clip=Link("Text encoder"))
    graph = sections.save_conditioning(
        graph,
        sections.SAVE_DETAIL_CONDITIONING,
        conditioning=Link("Detail prompt"),
        stem=names.detail_conditioning_stem,
    )
    if work.ending == "latents":
        return graph
    return sections.video(
        graph,
        video=graph.node(sections.SAVE_VIDEO_LATENT).inputs["samples"],
        audio=AUDIO,
        vae=VAE,
        audio_vae=AUDIO_VAE,
        recipe=recipe.decode,
        delivery=delivery.of(work),
        prefix=names.prefix("clip"),
    )


def early_look(work: BaseGenInput, names: Names) -> Graph:
    """The graph of one early look, of latents that the graph of `build` has left."""
    return look.of(build(work, names), work, names, vae=VAE, audio_vae=AUDIO_VAE)


STAGE = StageDefinition(Stage.BASE_GEN, build, early_look)
