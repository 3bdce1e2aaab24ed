"""Every legal request, of the whole option space, leads to graphs that ComfyUI accepts and that do what was asked."""

from typing import Any

from hypothesis import given, settings

from shared import geometry, models
from shared.comfy import sections
from shared.comfy.catalog import validate
from shared.comfy.graph import Graph, Link
from shared.contracts import keys
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Camera, Precision, Quality, Stage, TextEncoder
from tests.contract.graphs.legal import Step, chain, encoders, requests, seeds

SAVERS = {
    **dict.fromkeys(("SaveLatent", "MivoDecodeToVideo"), "filename_prefix"),
    "LTXVSaveConditioning": "filename",
}
READERS = {"LoadLatent": "latent", "LoadImage": "image", "LoadVideo": "file", "LTXVLoadConditioning": "file_name"}
DISTILLED_SIGMAS = "1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0"
REFINE_SIGMAS = "0.909375, 0.725, 0.421875, 0.0"


@settings(max_examples=2000, deadline=None, database=None)
@given(request=requests(), seed=seeds, encoder=encoders)
def test_every_legal_request_gives_good_graphs(
    catalogue: dict[str, Any], request: GenerationRequest, seed: int, encoder: TextEncoder
) -> None:
    steps = list(chain(request, seed=seed, text_encoder=encoder))
    assert [step.last for step in steps] == [False] * (len(steps) - 1) + [True]
    for step in steps:
        assert validate(step.graph, catalogue) == []
        ends_once(step)
        names_carry_the_attempt(step)
        reads_what_it_is_given(step)
        reads_the_models_of_its_key(step)
        sizes_are_legal(step, request)
        seeds_are_the_generations(step, seed)
        assert loras(step.graph) == table(step.stage, request)
    samples_the_base_as_its_recipe_says(steps[0], request)
    for step in steps[1:]:
        if step.stage is Stage.SPATIAL_UPSCALE:
            refines_and_details(step, request)


def of_class(graph: Graph, class_type: str) -> list[dict[str, Any]]:
    return [dict(node.inputs) for node in graph.nodes.values() if node.class_type == class_type]


def ends_once(step: Step) -> None:
    videos = of_class(step.graph, "MivoDecodeToVideo")
    assert len(videos) == len(of_class(step.graph, "LTXVAudioVAEDecode")) == step.last
    latents = 0 if step.stage is Stage.TEMPORAL_UPSCALE else 2
    assert len(of_class(step.graph, "SaveLatent")) == latents
    for saved in videos:
        assert saved["fps"] == (48 if step.stage is Stage.TEMPORAL_UPSCALE else 24)


def names_carry_the_attempt(step: Step) -> None:
    written = [node[name] for saver, name in SAVERS.items() for node in of_class(step.graph, saver)]
    assert written
    assert all(step.work.attempt_id in name and step.names.nonce in name for name in written)
    assert len(set(written)) == len(written)


def reads_what_it_is_given(step: Step) -> None:
    read = sorted(node[name] for reader, name in READERS.items() for node in of_class(step.graph, reader))
    given = set(keys.inputs_of(step.work))
    named = {role: getattr(step.names, role) for role in given - {"control_source"}}
    assert read == sorted([*named.values(), *([step.names.control] if "control_source" in given else [])])


def reads_the_models_of_its_key(step: Step) -> None:
    """All weights of the stage_key, and no others; of the folder form a graph names one shard for all files."""
    known = {file.name: file for file in models.all_files().values()}
    values = (value for node in step.graph.nodes.values() for value in node.inputs.values())
    named = {value for value in values if isinstance(value, str) and value in known}
    first, *others = (file.name for role, file in models.all_files().items() if role.startswith(models.GEMMA_FOLDER))
    assert named == set(keys.models_of(step.work)) - set(others)
    if first in named:
        assert set(others) <= set(keys.models_of(step.work))


def sizes_are_legal(step: Step, request: GenerationRequest) -> None:
    for empty in of_class(step.graph, "EmptyLTXVLatentVideo"):
        width, height, length = empty["width"], empty["height"], empty["length"]
        unit, half = (32, 2) if request.spatial_upscale else (64, 1)
        assert width % unit == height % unit == 0
        assert length % 8 == 1
        assert length == 24 * request.duration + 1
        assert width == {"1080p": 1920, "720p": 1280, "draft": 256}[request.resolution] // half
        for sound in of_class(step.graph, "LTXVEmptyLatentAudio"):
            assert (sound["frames_number"], sound["frame_rate"]) == (length, 24)
    assert all(rate["frame_rate"] == 24.0 for rate in of_class(step.graph, "LTXVConditioning"))


def seeds_are_the_generations(step: Step, seed: int) -> None:
    noises = of_class(step.graph, "RandomNoise")
    samplers = of_class(step.graph, "SamplerCustomAdvanced") + of_class(step.graph, "LTXVLoopingSampler")
    assert [noise["noise_seed"] for noise in noises] == [seed] * len(samplers)


def loras(graph: Graph) -> dict[str, list[tuple[str, float]]]:
    """By the title of each guider: file and strength along the chain from its checkpoint."""
    found = {}
    for title, node in graph.nodes.items():
        if node.class_type == "CFGGuider":
            chained, link = [], node.inputs["model"]
            while graph.node(link.title).class_type == "LoraLoaderModelOnly":
                lora = graph.node(link.title).inputs
                chained.append((lora["lora_name"], lora["strength_model"]))
                link = lora["model"]
            assert graph.node(link.title).class_type == "CheckpointLoaderSimple"
            found[title] = chained[::-1]
    return found


def table(stage: Stage, request: GenerationRequest) -> dict[str, list[tuple[str, float]]]:
    """What the table of options says, in file names."""
    moved = request.camera is not Camera.NONE and request.control is None
    camera = [(f"ltx-2-19b-lora-camera-control-{request.camera.replace('_', '-')}.safetensors", 1.0)] if moved else []
    if stage is Stage.BASE_GEN:
        held = [(f"ltx-2-19b-ic-lora-{request.control.type}-control.safetensors", 1.0)] if request.control else []
        return {"Guider": camera + held}
    if stage is Stage.TEMPORAL_UPSCALE:
        return {}
    pro = request.quality is Quality.PRO
    distilled = [("ltx-2-19b-distilled-lora-384.safetensors", 0.6)] if pro else []
    refine = {"Guider": distilled + camera} if request.spatial_upscale else {}
    detail = {"Detail guider": [("ltx-2-19b-ic-lora-detailer.safetensors", 1.0)]} if request.detailer else {}
    return refine | detail


def checkpoint(quality: Quality, precision: Precision) -> str:
    kind, end = ("dev" if quality is Quality.PRO else "distilled"), ("-fp8" if precision is Precision.FP8 else "")
    return f"ltx-2-19b-{kind}{end}.safetensors"


def samples_the_base_as_its_recipe_says(step: Step, request: GenerationRequest) -> None:
    graph = step.graph
    assert graph.node("Checkpoint").inputs["ckpt_name"] == checkpoint(request.quality, request.precision)
    sigmas, guider, told = graph.node("Sigmas"), graph.node("Guider").inputs, graph.node("Frame rate").inputs
    assert graph.node("Positive prompt").inputs["text"] == request.prompt
    if request.quality is Quality.FAST:
        assert sigmas.inputs == {"sigmas": DISTILLED_SIGMAS}
        assert guider["cfg"] == 1.0
        assert told["negative"] == Link("Positive prompt")
    else:
        assert sigmas.inputs["steps"] == (request.steps or 20)
        assert sigmas.inputs["latent"] == Link("Join sound")
        assert guider["cfg"] == (3.0 if request.control else 4.0)
        assert "watermark" in graph.node("Negative prompt").inputs["text"]
    saved = {node["filename"]: node["conditioning"] for node in of_class(graph, "LTXVSaveConditioning")}
    wanted = {step.names.conditioning_stem: Link("Positive prompt")} if request.spatial_upscale else {}
    wanted[step.names.detail_conditioning_stem] = Link("Detail prompt")  # a detailer may be asked for later
    assert graph.node("Detail prompt").inputs["text"] == ""
    assert saved == wanted, "the text's conditioning, never the guided one"
    holds_the_image_then_the_control(graph, request)


def holds_the_image_then_the_control(graph: Graph, request: GenerationRequest) -> None:
    video = "Empty video latent"
    if request.has_image:
        held = graph.node("Hold image").inputs
        assert held["latent"] == Link(video)
        assert held["strength"] == (0.6 if request.spatial_upscale else 1.0)
        assert graph.node("Compress image").inputs["img_compression"] == 33
        video = "Hold image"
    left = Link("Split sound", 0)
    if request.control:
        guide = graph.node("Guide").inputs
        assert guide["latent"] == Link(video)
        assert (guide["positive"], guide["negative"]) == (Link("Frame rate", 0), Link("Frame rate", 1))
        assert guide["strength"] == request.control.strength
        assert (guide["image"] == Link("Control frames")) == request.control.preprocessed
        assert graph.node("Guider").inputs["positive"] == Link("Guide", 0)
        assert graph.node("Guider").inputs["negative"] == Link("Guide", 1)
        assert graph.node("Crop guide").inputs["latent"] == left
        left = Link("Crop guide", 2)
    assert graph.node("Join sound").inputs["video_latent"] == (Link("Guide", 2) if request.control else Link(video))
    assert graph.node(sections.SAVE_VIDEO_LATENT).inputs["samples"] == left
    for decoded in of_class(graph, "MivoDecodeToVideo"):
        assert decoded["samples"] == left


def refines_and_details(step: Step, request: GenerationRequest) -> None:
    graph = step.graph
    video, audio = Link("Base video latent"), Link("Base audio latent")
    if request.spatial_upscale:
        assert graph.node("Sigmas").inputs == {"sigmas": REFINE_SIGMAS}
        assert graph.node("Guider").inputs["cfg"] == 1.0
        assert graph.node("Join sound").inputs["audio_latent"] == Link("Freeze sound")
        frozen = graph.node("Zero mask").inputs
        length = geometry.audio_latent_length(24 * request.duration + 1)
        assert frozen == {"value": 0.0, "width": 16, "height": length}
        video, audio = Link("Split sound", 0), Link("Split sound", 1)
        if request.has_image:
            held = graph.node("Hold image").inputs
            assert (held["latent"], held["image"], held["strength"]) == (Link("Upscale x2"), Link("Image"), 1.0)
    if request.detailer:
        tiles = graph.node("Add detail").inputs
        if request.spatial_upscale:
            assert graph.node("Beside an unmasked latent").inputs["samples2"] == video
            assert graph.node("Latent without mask").inputs["amount"] == 3 * request.duration + 1
            video = Link("Latent without mask")
        assert tiles["latents"] == tiles["optional_guiding_latents"] == video
        dev = graph.node(graph.node("Detailer LoRA").inputs["model"].title).inputs["ckpt_name"]
        assert dev == checkpoint(Quality.PRO, request.precision)
        assert graph.node("Detail sigmas").inputs == {"sigmas": REFINE_SIGMAS}
        assert graph.node("Detail guider").inputs["cfg"] == 1.0
        video = Link("Add detail")
    assert graph.node(sections.SAVE_VIDEO_LATENT).inputs["samples"] == video
    assert graph.node(sections.SAVE_AUDIO_LATENT).inputs["samples"] == audio, "the base's sound is delivered"
    for decoded in of_class(graph, "MivoDecodeToVideo"):
        assert decoded["samples"] == video
