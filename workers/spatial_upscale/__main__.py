"""`python -m workers.spatial_upscale graph --quality pro --detailer`, and the gallery."""

from shared.graph_cli import Examples, main
from workers.spatial_upscale.stage import STAGE

EXAMPLES: Examples = {
    "fast_refine": (),
    "fast_refine_of_an_image_dolly_in": ("--image", "--camera", "dolly_in"),
    "pro_refine_1080p": ("--quality", "pro", "--resolution", "1080p", "--duration", "20"),
    "fast_refine_then_detailer": ("--detailer",),
    "pro_refine_then_detailer_to_latents": ("--quality", "pro", "--detailer", "--ending", "latents"),
    "detailer_alone": ("--no-upscale", "--detailer"),
}

if __name__ == "__main__":
    raise SystemExit(main(STAGE, EXAMPLES))
