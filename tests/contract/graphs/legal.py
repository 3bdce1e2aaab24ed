"""Legal requests of the whole option space, and the graphs that they lead to, stage by stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from orchestrator.plan import make_plan, stage_input
from shared import geometry
from shared.comfy.graph import Graph
from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import MAX_SEED, StageInput
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution, Stage, TextEncoder
from shared.stage import Names, StageDefinition
from shared.worker.outputs import ROLES
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

STAGES: dict[Stage, StageDefinition] = {definition.stage: definition for definition in (BASE, SPATIAL, TEMPORAL)}
UPLOAD = "0123456789abcdef" * 2
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PROMPTS = st.text(LETTERS, min_size=1, max_size=40).filter(lambda text: bool(text.strip()))


def artifact(role: str = "x", shape: tuple[int, ...] | None = None) -> Artifact:
    return Artifact(key=f"inputs/{role}", sha256="a" * 64, bytes=1, media_type="application/octet-stream", shape=shape)


def _controls(*sources: dict[str, Any]) -> st.SearchStrategy[dict[str, Any] | None]:
    return st.none() | st.builds(
        lambda kind, ready, strength, source: {"type": kind, "preprocessed": ready, "strength": strength, **source},
        st.sampled_from(ControlType),
        st.booleans(),
        st.floats(0, 1),
        st.sampled_from(sources),
    )


# Made once: hypothesis looks through every strategy that it has not seen before, which costs as much as the drawing.
IMAGES: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {"upload_id": UPLOAD}])
CONTROLS = {
    False: _controls({"upload_id": UPLOAD}),
    True: _controls({"upload_id": UPLOAD}, {"source": "image"}),
}
CAMERAS = {True: st.sampled_from([Camera.STATIC, Camera.NONE]), False: st.sampled_from(Camera)}
DURATIONS = {size: st.sampled_from(geometry.durations(size)) for size in Resolution}
STEPS = {Quality.PRO: st.integers(20, 40) | st.none(), Quality.FAST: st.none()}
RESOLUTIONS, QUALITIES, PRECISIONS = st.sampled_from(Resolution), st.sampled_from(Quality), st.sampled_from(Precision)
TOGGLES = st.fixed_dictionaries(
    dict.fromkeys(("spatial_upscale", "temporal_upscale", "detailer"), st.booleans()),
)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    """Any request that the API takes, drafts too."""
    resolution, quality, image = draw(RESOLUTIONS), draw(QUALITIES), draw(IMAGES)
    control = draw(CONTROLS[bool(image)])
    body = {
        "prompt": draw(PROMPTS),
        "quality": quality,
        "resolution": resolution,
        "duration": draw(DURATIONS[resolution]),
        "camera": draw(CAMERAS[control is not None]),
        "precision": draw(PRECISIONS),
        "steps": draw(STEPS[quality]),
        "control": control,
        **draw(TOGGLES),
        **image,
    }
    return GenerationRequest.model_validate(body, context={"allow_draft": True})


seeds = st.integers(0, MAX_SEED)
encoders = st.sampled_from(TextEncoder)


@dataclass(frozen=True)
class Step:
    """One stage run of a request."""

    stage: Stage
    work: StageInput
    names: Names
    graph: Graph
    last: bool


def chain(request: GenerationRequest, *, seed: int, text_encoder: TextEncoder = TextEncoder.SINGLE) -> Iterator[Step]:
    """The stage runs of a request. Each gets what the graph before it really leaves, and nothing else."""
    plan = make_plan(request, seed=seed, text_encoder=text_encoder)
    upstream: Manifest | None = None
    for number, planned in enumerate(plan.stages, 1):
        work = stage_input(
            planned,
            attempt_id=f"{number:032x}",
            generation_id="g",
            image=artifact("image") if request.has_image else None,
            upstream=upstream,
            control_source=artifact("control") if request.control else None,
            early_look=True,
        )
        names = Names(work.attempt_id)
        graph = STAGES[planned.stage].graph(work, names)
        yield Step(planned.stage, work, names, graph, last=planned is plan.stages[-1])
        upstream = left_by(planned.stage, work, graph)


def left_by(stage: Stage, work: StageInput, graph: Graph) -> Manifest:
    """The manifest that the worker would write for what this graph saves."""
    frames = geometry.clip(work.duration).generate
    shapes: dict[str, tuple[int, ...]] = {"audio_latent": geometry.audio_latent_shape(frames)}
    made = {role: artifact(role, shapes.get(role)) for role in (ROLES[title] for title in graph.outputs())}
    if "video" not in made:
        made["video_latent"] = artifact("video")
    image = getattr(work, "image", None)
    return Manifest(
        stage=stage,
        stage_key=keys.stage_key(work),
        attempt_id=work.attempt_id,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        artifacts=made | ({"image": image} if image else {}),
        params=keys.params_of(work),
        recipe=keys.recipe_of(work).model_dump(mode="json"),
        models=keys.models_of(work),
    )
