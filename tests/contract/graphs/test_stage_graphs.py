"""Every graph that a legal stage input can give is whole, and is one that ComfyUI's recorded node catalogue accepts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import geometry, models
from shared.comfy import sections
from shared.comfy.catalog import validate
from shared.comfy.graph import Graph, Link
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Camera, Precision, Quality, Resolution
from shared.recipes import BaseRecipe, RefineRecipe
from shared.stage import Names
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

CATALOGUE = Path(__file__).parents[4] / "shared" / "comfyui" / "node_catalog.json"
FILES_ON_SERVER = {("VAELoader", "vae_name")}
"""Lists of files that the catalogue recorded as fixed, on a server whose folder was empty."""


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    if not CATALOGUE.exists():
        pytest.skip(f"no node catalogue at {CATALOGUE}: the facts are not beside this checkout")
    found: dict[str, Any] = json.loads(CATALOGUE.read_text())
    return found


def artifact(shape: tuple[int, ...] | None = None) -> Artifact:
    return Artifact(
        key="inputs/" + "a" * 64, sha256="a" * 64, bytes=1, media_type="application/octet-stream", shape=shape
    )


def lengths(resolution: Resolution) -> st.SearchStrategy[int]:
    return st.sampled_from(geometry.durations(resolution))


@st.composite
def works(draw: st.DrawFn) -> StageInput:
    """Any legal input of any stage."""
    resolution = draw(st.sampled_from(Resolution))
    duration = draw(lengths(resolution))
    sampled = {
        "resolution": resolution,
        "duration": duration,
        "quality": draw(st.sampled_from(Quality)),
        "precision": draw(st.sampled_from(Precision)),
        "camera": draw(st.sampled_from(Camera)),
        "seed": draw(st.integers(0, 2**53 - 1)),
        "ending": draw(st.sampled_from(["latents", "video"])),
        "image": draw(st.sampled_from([None, artifact()])),
    }
    audio = artifact(geometry.audio_latent_shape(geometry.clip(duration).generate))
    match draw(st.sampled_from(["base", "spatial", "temporal"])):
        case "base":
            steps = draw(st.integers(20, 40)) if sampled["quality"] is Quality.PRO else None
            half = draw(st.booleans())
            letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
            prompt = draw(st.text(letters, min_size=1, max_size=40).filter(lambda text: bool(text.strip())))
            return BaseGenInput.model_validate({**sampled, "prompt": prompt, "steps": steps, "half_resolution": half})
        case "spatial":
            return SpatialUpscaleInput.model_validate(
                {**sampled, "video_latent": artifact(), "audio_latent": audio, "conditioning": artifact()}
            )
        case _:
            return TemporalUpscaleInput(
                resolution=resolution, duration=duration, video_latent=artifact(), audio_latent=audio
            )


def graph_of(work: StageInput, names: Names) -> Graph:
    definition = {BaseGenInput: BASE, SpatialUpscaleInput: SPATIAL, TemporalUpscaleInput: TEMPORAL}[type(work)]
    return definition.graph(work, names)


@settings(max_examples=400, deadline=None)
@given(work=works())
def test_every_legal_graph_is_accepted_by_the_catalogue(catalogue: dict[str, Any], work: StageInput) -> None:
    graph = graph_of(work, Names(work.attempt_id))
    problems = [
        problem
        for problem in validate(graph, catalogue)
        if (graph.node(problem.title).class_type, problem.input) not in FILES_ON_SERVER
    ]
    assert problems == []


@settings(max_examples=300, deadline=None)
@given(work=works())
def test_every_legal_graph_is_whole_and_does_what_was_asked(work: StageInput) -> None:
    names = Names(work.attempt_id)
    graph = graph_of(work, names)
    assert graph.check() == []
    written = [node.inputs["filename_prefix"] for node in graph.nodes.values() if "filename_prefix" in node.inputs]
    written += [node.inputs["filename"] for node in graph.nodes.values() if "filename" in node.inputs]
    assert written
    assert all(work.attempt_id in name and names.nonce in name for name in written)
    assert len(set(written)) == len(written)
    outputs = set(graph.outputs())
    assert (sections.SAVE_VIDEO in outputs) == (work.ending == "video")
    if not isinstance(work, TemporalUpscaleInput):
        assert {sections.SAVE_VIDEO_LATENT, sections.SAVE_AUDIO_LATENT} <= outputs
        assert graph.node("Noise").inputs["noise_seed"] == work.seed
    if isinstance(work, BaseGenInput):
        assert (sections.SAVE_CONDITIONING in outputs) == work.half_resolution
    known = {file.name for file in models.all_files().values()}
    named = {
        value for node in graph.nodes.values() for value in node.inputs.values() if str(value).endswith(".safetensors")
    }
    assert {name for name in named if not name.startswith(work.attempt_id)} == set(keys.models_of(work))
    assert set(keys.models_of(work)) <= known


def loras(graph: Graph) -> list[tuple[str, float]]:
    """Along the chain from the checkpoint to the guider."""
    chain, link = [], graph.node("Guider").inputs["model"]
    while link != Link("Checkpoint", 0):
        node = graph.node(link.title)
        chain.append((node.inputs["lora_name"], node.inputs["strength_model"]))
        link = node.inputs["model"]
    return chain[::-1]


@pytest.mark.parametrize("camera", Camera)
@pytest.mark.parametrize("quality", Quality)
def test_loras_stand_where_the_table_says(camera: Camera, quality: Quality) -> None:
    file = models.camera_lora(camera)
    moves = [(file.name, 1.0)] if file else []
    base = BaseGenInput(prompt="x", camera=camera, quality=quality)
    assert loras(graph_of(base, Names("a" * 32))) == moves
    refine = SpatialUpscaleInput(
        camera=camera, quality=quality, video_latent=artifact(), audio_latent=artifact(), conditioning=artifact()
    )
    distilled = [("ltx-2-19b-distilled-lora-384.safetensors", 0.6)] if quality is Quality.PRO else []
    assert loras(graph_of(refine, Names("a" * 32))) == [*distilled, *moves]


def test_fast_samples_eight_fixed_sigmas_at_cfg_1_and_pro_a_schedule_at_cfg_4() -> None:
    fast = graph_of(BaseGenInput(prompt="x"), Names("a" * 32))
    assert fast.node("Sigmas").class_type == "ManualSigmas"
    assert len(str(fast.node("Sigmas").inputs["sigmas"]).split(",")) == 9
    assert fast.node("Guider").inputs["cfg"] == 1.0
    assert fast.node("Frame rate").inputs["negative"] == Link("Positive prompt")
    pro = graph_of(BaseGenInput(prompt="x", quality=Quality.PRO, steps=33), Names("a" * 32))
    assert pro.node("Sigmas").class_type == "LTXVScheduler"
    assert pro.node("Sigmas").inputs["steps"] == 33
    assert pro.node("Sigmas").inputs["latent"] == Link("Join sound")
    assert pro.node("Guider").inputs["cfg"] == 4.0
    assert "watermark" in pro.node("Negative prompt").inputs["text"]


def test_an_image_is_compressed_for_the_base_and_raw_for_the_refine() -> None:
    base = graph_of(BaseGenInput(prompt="x", image=artifact()), Names("a" * 32))
    assert base.node("Hold image").inputs["strength"] == 0.6
    assert base.node("Hold image").inputs["image"] == Link("Compress image")
    assert base.node("Compress image").inputs["img_compression"] == 33
    assert base.node("Join sound").inputs["video_latent"] == Link("Hold image")
    single = graph_of(BaseGenInput(prompt="x", image=artifact(), half_resolution=False), Names("a" * 32))
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
    sound = artifact((1, 8, 251, 16))
    work = SpatialUpscaleInput(video_latent=artifact(), audio_latent=sound, conditioning=artifact())
    graph = graph_of(work, Names("a" * 32))
    assert graph.node("Zero mask").inputs == {"value": 0.0, "width": 16, "height": 251}
    assert graph.node("Join sound").inputs["audio_latent"] == Link("Freeze sound")


def test_the_temporal_stage_reads_no_transformer_and_no_text_encoder() -> None:
    work = TemporalUpscaleInput(video_latent=artifact(), audio_latent=artifact())
    classes = {node.class_type for node in graph_of(work, Names("a" * 32)).nodes.values()}
    assert not classes & {"CheckpointLoaderSimple", "LTXAVTextEncoderLoader", "SamplerCustomAdvanced"}


def test_recipes_are_what_the_graph_samples() -> None:
    base = keys.recipe_of(BaseGenInput(prompt="x", quality=Quality.PRO, steps=25))
    assert isinstance(base, BaseRecipe)
    assert base.steps == 25
    refine = keys.recipe_of(
        SpatialUpscaleInput(video_latent=artifact(), audio_latent=artifact(), conditioning=artifact())
    )
    assert isinstance(refine, RefineRecipe)
    assert refine.steps == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda graph: graph.remove("Sampler"),
        lambda graph: graph.set("Guider", model=Link("Checkpoint", 7)),
        lambda graph: graph.set("Sampler", sampler_name="res_2s"),
        lambda graph: graph.add("Note", "MarkdownNote", text="left in"),
        lambda graph: graph.set("Empty video latent", width=100_000),
        lambda graph: graph.set("Guider", positive=Link("Checkpoint", 0)),
    ],
    ids=["dangling link", "no such slot", "wrong enum", "front-end node", "out of bounds", "wrong type"],
)
def test_a_broken_template_goes_red(catalogue: dict[str, Any], damage: Any) -> None:
    graph = damage(graph_of(BaseGenInput(prompt="x"), Names("a" * 32)))
    assert graph.check() or validate(graph, catalogue)
