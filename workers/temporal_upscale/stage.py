"""Temporal upscaling: latents at 24 fps -> x2 in latent space -> video at 48 fps.

No sampling and no transformer: two VAEs and the upscaler, about 3 GB of weights (facts/ltx2.md section 3.2).
"""

from shared import delivery, models, recipes
from shared.comfy import sections
from shared.comfy.graph import Graph, Link
from shared.contracts.keys import recipe_of
from shared.contracts.stage import TemporalUpscaleInput
from shared.contracts.vocabulary import Stage
from shared.stage import Names, StageDefinition, template

TEMPLATE = template("workers.temporal_upscale", "temporal_upscale").require(
    "Video VAE", "Audio VAE", "Video latent", "Audio latent", "Temporal upscaler", "Upscale x2"
)


def build(work: TemporalUpscaleInput, names: Names) -> Graph:
    """The graph of one temporal run."""
    recipe = recipe_of(work)
    if not isinstance(recipe, recipes.TemporalRecipe):
        raise TypeError(f"temporal_upscale has no use for a {type(recipe).__name__}")
    graph = (
        TEMPLATE.set("Video VAE", vae_name=models.file("video_vae").name)
        .set("Audio VAE", ckpt_name=models.file("audio_vae").name)
        .set("Video latent", latent=names.video_latent)
        .set("Audio latent", latent=names.audio_latent)
        .set("Temporal upscaler", model_name=models.file("upscaler/temporal").name)
    )
    return sections.video(
        graph,
        video=Link("Upscale x2"),
        audio=Link("Audio latent"),
        vae=Link("Video VAE"),
        audio_vae=Link("Audio VAE"),
        recipe=recipe.decode,
        delivery=delivery.of(work),
        prefix=names.prefix("clip"),
    )


STAGE = StageDefinition(Stage.TEMPORAL_UPSCALE, build)
