"""Graphs of stages by hand: what no plan asks for but an engineer may, and what has to go red."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import geometry
from shared.comfy import sections
from shared.comfy.catalog import validate
from shared.comfy.graph import Graph, Link
from shared.contracts import keys
from shared.contracts.stage import STAGE_OF, BaseGenInput, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution, TextEncoder
from shared.errors import FatalError
from shared.recipes import BaseRecipe, SpatialRecipe
from shared.stage import Names
from tests.contract.graphs.legal import PROMPTS, STAGES, artifact
from workers.base_gen.stage import TEMPLATE

NAMES = Names("a" * 32)


@st.composite
def works(draw: st.DrawFn) -> StageInput:
    """Any legal input of any stage, plans or not: half-size videos, both conditionings kept, and so on."""
    resolution = draw(st.sampled_from(Resolution))
    duration = draw(st.sampled_from(geometry.durations(resolution)))
    common = {"resolution": resolution, "duration": duration}
    sampled = {
        **common,
        "quality": draw(st.sampled_from(Quality)),
        "precision": draw(st.sampled_from(Precision)),
        "camera": draw(st.sampled_from(Camera)),
        "ending": draw(st.sampled_from(["latents", "video"])),
    }
    image = draw(st.sampled_from([None, artifact("image")]))
    latents = {
        "video_latent": artifact("video_latent"),
        "audio_latent": artifact("audio_latent", geometry.audio_latent_shape(geometry.clip(duration).generate)),
    }
    match draw(st.sampled_from(["base", "control", "spatial", "temporal"])):
        case "temporal":
            return TemporalUpscaleInput.model_validate({**common, **latents, "half_resolution": draw(st.booleans())})
        case "spatial":
            detailer = draw(st.booleans())
            upscale = draw(st.booleans()) or not detailer
            told = {"conditioning": artifact("conditioning"), "image": image} if upscale else {}
            told |= {"detail_conditioning": artifact("detail_conditioning")} if detailer else {}
            toggles = {"upscale": upscale, "detailer": detailer}
            return SpatialUpscaleInput.model_validate({**sampled, **latents, **told, **toggles})
        case kind:
            own = {
                "prompt": draw(PROMPTS),
                "steps": draw(st.integers(20, 40)) if sampled["quality"] is Quality.PRO else None,
                "half_resolution": draw(st.booleans()),
                "text_encoder": draw(st.sampled_from(TextEncoder)),
                "image": image,
            }
            if kind == "control":
                control = {"type": draw(st.sampled_from(ControlType)), "preprocessed": draw(st.booleans())}
                own |= {"control": control, "control_source": artifact("control"), "camera": Camera.STATIC}
            return BaseGenInput.model_validate({**sampled, **own})


def graph_of(work: StageInput, names: Names = NAMES) -> Graph:
    return STAGES[STAGE_OF[type(work)]].graph(work, names)


@settings(max_examples=400, deadline=None, database=None)
@given(work=works())
def test_every_legal_stage_input_gives_a_graph_that_comfyui_accepts(
    catalogue: dict[str, Any], work: StageInput
) -> None:
    graph = graph_of(work, Names(work.attempt_id))
    assert validate(graph, catalogue) == []
    assert Graph.load(json.loads(json.dumps(graph.api()))) == graph, "titles and links survive the wire"
    assert (sections.SAVE_VIDEO in graph.outputs()) == (work.ending == "video")


def test_fast_samples_eight_fixed_sigmas_at_cfg_1_and_pro_a_schedule_at_cfg_4() -> None:
    fast = graph_of(BaseGenInput(prompt="x"))
    assert fast.node("Sigmas").class_type == "ManualSigmas"
    assert len(str(fast.node("Sigmas").inputs["sigmas"]).split(",")) == 9
    assert fast.node("Guider").inputs["cfg"] == 1.0
    assert fast.node("Frame rate").inputs["negative"] == Link("Positive prompt")
    pro = graph_of(BaseGenInput(prompt="x", quality=Quality.PRO, steps=33))
    assert pro.node("Sigmas").class_type == "LTXVScheduler"
    assert pro.node("Sigmas").inputs["steps"] == 33
    assert pro.node("Sigmas").inputs["latent"] == Link("Join sound")
    assert pro.node("Guider").inputs["cfg"] == 4.0
    assert "watermark" in pro.node("Negative prompt").inputs["text"]


def test_an_image_is_compressed_for_the_base_and_raw_for_the_refine() -> None:
    base = graph_of(BaseGenInput(prompt="x", image=artifact()))
    assert base.node("Hold image").inputs["strength"] == 0.6
    assert base.node("Hold image").inputs["image"] == Link("Compress image")
    assert base.node("Compress image").inputs["img_compression"] == 33
    assert base.node("Join sound").inputs["video_latent"] == Link("Hold image")
    single = graph_of(BaseGenInput(prompt="x", image=artifact(), half_resolution=False))
    assert single.node("Hold image").inputs["strength"] == 1.0
    refine = graph_of(
        SpatialUpscaleInput(
            video_latent=artifact(), audio_latent=artifact(), conditioning=artifact(), image=artifact()
        ),
        Names("a" * 32),
    )
    assert refine.node("Hold image").inputs["image"] == Link("Image")
    assert refine.node("Hold image").inputs["latent"] == Link("Upscale x2")
    assert refine.node("Join sound").inputs["video_latent"] == Link("Hold image")


def test_the_refine_freezes_the_sound_at_the_length_it_was_made_with() -> None:
    sound = artifact("audio_latent", (1, 8, 251, 16))
    work = SpatialUpscaleInput(video_latent=artifact(), audio_latent=sound, conditioning=artifact())
    graph = graph_of(work)
    assert graph.node("Zero mask").inputs == {"value": 0.0, "width": 16, "height": 251}
    assert graph.node("Join sound").inputs["audio_latent"] == Link("Freeze sound")


def test_the_temporal_stage_reads_no_transformer_and_no_text_encoder() -> None:
    work = TemporalUpscaleInput(video_latent=artifact(), audio_latent=artifact())
    classes = {node.class_type for node in graph_of(work).nodes.values()}
    assert not classes & {"CheckpointLoaderSimple", "LTXAVTextEncoderLoader", "SamplerCustomAdvanced"}


def test_recipes_are_what_the_graph_samples() -> None:
    base = keys.recipe_of(BaseGenInput(prompt="x", quality=Quality.PRO, steps=25))
    assert isinstance(base, BaseRecipe)
    assert base.steps == 25
    spatial = keys.recipe_of(
        SpatialUpscaleInput(video_latent=artifact(), audio_latent=artifact(), conditioning=artifact())
    )
    assert isinstance(spatial, SpatialRecipe)
    assert spatial.refine
    assert spatial.refine.steps == 3


CONTROL = {"control": {"type": "depth"}, "control_source": artifact("control")}


def test_static_loads_no_camera_under_control() -> None:
    graph = graph_of(BaseGenInput.model_validate({"prompt": "x", **CONTROL}))
    assert [node.inputs["lora_name"] for node in graph.nodes.values() if "lora_name" in node.inputs] == [
        "ltx-2-19b-ic-lora-depth-control.safetensors"
    ]


def test_the_folder_form_is_another_loader() -> None:
    graph = graph_of(BaseGenInput(prompt="x", text_encoder=TextEncoder.FOLDER))
    assert graph.node("Text encoder").class_type == "LTXVGemmaCLIPModelLoader"
    assert graph.node("Text encoder").inputs == {
        "gemma_path": "gemma-3-12b-it-qat-q4_0-unquantized/model-00001-of-00005.safetensors",
        "ltxv_path": "ltx-2-19b-distilled-fp8.safetensors",
        "max_length": 1024,
    }


@pytest.mark.parametrize(("quality", "loaded"), [(Quality.FAST, ["distilled", "dev"]), (Quality.PRO, ["dev"])])
def test_the_detailer_runs_on_dev_and_loads_it_once(quality: Quality, loaded: list[str]) -> None:
    latents = {role: artifact(role) for role in ("video_latent", "audio_latent", "conditioning", "detail_conditioning")}
    graph = graph_of(SpatialUpscaleInput.model_validate({**latents, "quality": quality, "detailer": True}))
    found = [node.inputs["ckpt_name"] for node in graph.nodes.values() if node.class_type == "CheckpointLoaderSimple"]
    assert found == [f"ltx-2-19b-{kind}-fp8.safetensors" for kind in loaded]


def damaged(name: str, damage: Any, **fields: Any) -> Any:
    return pytest.param(damage, fields, id=name)


@pytest.mark.parametrize(
    ("damage", "fields"),
    [
        damaged("dangling link", lambda graph: graph.remove("Sampler")),
        damaged("no such slot", lambda graph: graph.set("Guider", model=Link("Checkpoint", 7))),
        damaged("wrong enum", lambda graph: graph.set("Sampler", sampler_name="res_2s")),
        damaged("front-end node", lambda graph: graph.add("Note", "MarkdownNote", text="left in")),
        damaged("out of bounds", lambda graph: graph.set("Empty video latent", width=100_000)),
        damaged("wrong type", lambda graph: graph.set("Guider", positive=Link("Checkpoint", 0))),
        damaged("unused node", lambda graph: graph.add("More noise", "RandomNoise", noise_seed=1)),
        damaged("float for a whole number", lambda graph: graph.set("Empty audio latent", frame_rate=23.976)),
        damaged("unknown input", lambda graph: graph.attach("Sampler", eta=1.0)),
        damaged("no map", lambda graph: graph.remove("Control map"), **CONTROL),
        damaged("bad dynamic combo", lambda graph: graph.set("Control map", output="depths"), **CONTROL),
        damaged("guide without a vae", lambda graph: graph.set("Guide", vae=Link("Checkpoint", 0)), **CONTROL),
    ],
)
def test_a_broken_graph_goes_red(catalogue: dict[str, Any], damage: Any, fields: dict[str, Any]) -> None:
    graph = graph_of(BaseGenInput.model_validate({"prompt": "x", **fields}))
    assert validate(graph, catalogue) == []
    assert validate(damage(graph), catalogue)


def test_a_template_without_a_title_is_refused_when_it_is_read() -> None:
    api = TEMPLATE.api()
    api["1"]["_meta"]["title"] = ""
    with pytest.raises(FatalError, match="has no title"):
        Graph.load(api)
    api["1"]["_meta"]["title"] = "Chekpoint"
    with pytest.raises(FatalError, match="the template lacks"):
        Graph.load(api).require("Checkpoint")
