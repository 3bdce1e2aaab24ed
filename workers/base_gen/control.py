"""Control: a video's depth, edges or pose as a guide of the base, through an IC-LoRA. Pure: (graph, facts) -> graph.

ComfyUI core's own nodes and not those of LTXVideo's pack: both gave identical latents (facts/comfyui.md section 2,
h2 against h1), an IC-LoRA is then one more LoraLoaderModelOnly, core's encode retries in tiles when a clip does not
fit, and the less hangs on a pack whose import has failed before (section 0).
"""

from shared import models
from shared.comfy.graph import Graph, Link, Lora
from shared.contracts.stage import ControlParams
from shared.controls import CONTROLS, CannyMap, ControlMap, DepthMap, PoseMap
from shared.recipes import ControlGuide

CONTROL_LORA = "Control LoRA"
GUIDE = "Guide"
MAP = "Control map"


def ic_lora(control: ControlParams, recipe: ControlGuide) -> Lora:
    return Lora(CONTROL_LORA, models.file(CONTROLS[control.type].lora).name, recipe.lora_strength)


def guide(graph: Graph, control: ControlParams, recipe: ControlGuide, *, video: str, vae: Link) -> Graph:
    """Guide frames behind those of the video latent, and the conditioning that knows them; cropped after sampling.

    `video` is a clip of exactly the generated size and frames. Comes after image conditioning and after the LoRA
    chain, and before the sound is joined: guides cannot be added to a joined latent (facts/comfyui.md section 7).
    """
    graph = graph.require(CONTROL_LORA).add("Control video", "LoadVideo", file=video)
    graph = graph.add("Control frames", "GetVideoComponents", video=Link("Control video"))
    frames = Link("Control frames")
    if recipe.map is not None:
        graph, frames = _map(graph, control, recipe.map, frames)
    graph = graph.add("Control parameters", "GetICLoRAParameters", iclora_model=Link(CONTROL_LORA))
    positive, negative = Link("Frame rate", 0), Link("Frame rate", 1)
    graph = graph.add(
        GUIDE,
        "LTXVAddGuide",
        positive=positive,
        negative=negative,
        vae=vae,
        latent=graph.node("Join sound").inputs["video_latent"],
        image=frames,
        frame_idx=0,
        strength=control.strength,
        iclora_parameters=Link("Control parameters"),
    )
    graph = graph.rewire(positive, Link(GUIDE, 0), keep=[GUIDE]).rewire(negative, Link(GUIDE, 1), keep=[GUIDE])
    graph = graph.set("Join sound", video_latent=Link(GUIDE, 2))
    guided = Link("Split sound", 0)
    graph = graph.add("Crop guide", "LTXVCropGuides", positive=Link(GUIDE, 0), negative=Link(GUIDE, 1), latent=guided)
    return graph.rewire(guided, Link("Crop guide", 2), keep=["Crop guide"])


def _map(graph: Graph, control: ControlParams, recipe: ControlMap, frames: Link) -> tuple[Graph, Link]:
    """From frames to the picture that the IC-LoRA was trained on."""
    role = CONTROLS[control.type].map_model
    weights = models.file(role).name if role else ""
    constants = recipe.model_dump(exclude={"kind"})
    match recipe:
        case CannyMap():
            graph = graph.add(MAP, "Canny", image=frames, **constants)
        case DepthMap():
            graph = graph.add("Depth model", "LoadDA3Model", model_name=weights, weight_dtype="default")
            graph = graph.add(
                "Depth",
                "DA3Inference",
                da3_model=Link("Depth model"),
                image=frames,
                resolution=recipe.resolution,
                resize_method=recipe.resize_method,
                mode=recipe.mode,
            )
            dotted = {  # the API form of a dynamic combo's own inputs
                "output.normalization": recipe.normalization,
                "output.apply_sky_clip": recipe.apply_sky_clip,
            }
            graph = graph.add(MAP, "DA3Render", da3_geometry=Link("Depth"), output="depth", **dotted)
        case PoseMap():
            graph = graph.add("Pose model", "CheckpointLoaderSimple", ckpt_name=weights)
            graph = graph.add(
                "Keypoints",
                "SDPoseKeypointExtractor",
                model=Link("Pose model", 0),
                vae=Link("Pose model", 2),
                image=frames,
                batch_size=constants.pop("batch_size"),
            )
            graph = graph.add(MAP, "SDPoseDrawKeypoints", keypoints=Link("Keypoints"), **constants)
    return graph, Link(MAP)
