"""`python -m workers.base_gen graph --prompt "a cat" --quality pro`, and the gallery."""

from shared.graph_cli import Examples, main
from workers.base_gen.stage import STAGE

PROMPT = ("--prompt", "A lighthouse in a storm, waves break against the rocks, a horn sounds")

EXAMPLES: Examples = {
    "fast_text_to_video": PROMPT,
    "fast_image_to_video_dolly_in": (*PROMPT, "--image", "--camera", "dolly_in"),
    "pro_text_to_video": (*PROMPT, "--quality", "pro"),
    "pro_single_pass_1080p": (
        *PROMPT,
        *("--quality", "pro", "--steps", "40", "--resolution", "1080p", "--duration", "20", "--precision", "full"),
        *("--no-half-resolution", "--ending", "latents"),
    ),
    "early_look": (*PROMPT, "--ending", "latents", "--early-look"),
    "early_look_of_a_full_size_base": (
        *PROMPT,
        *("--no-half-resolution", "--camera", "dolly_in", "--ending", "latents", "--early-look"),
    ),
    "fast_depth_control": (*PROMPT, "--control", "depth"),
    "fast_pose_control_of_an_image": (*PROMPT, "--control", "pose", "--image"),
    "pro_canny_control": (*PROMPT, "--control", "canny", "--quality", "pro"),
    "fast_prepared_map_folder_text_encoder": (
        *PROMPT,
        *("--control", "depth", "--control-preprocessed", "--control-strength", "0.8", "--text-encoder", "folder"),
    ),
}

if __name__ == "__main__":
    raise SystemExit(main(STAGE, EXAMPLES))
