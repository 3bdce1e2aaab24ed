"""What every job of a stage may need of ComfyUI, and whether ComfyUI has it. Pure.

A ComfyUI whose node pack failed to import starts and answers all the same; only the nodes are missing
(facts/comfyui.md section 0). So a worker looks before its first job, and takes none when something is missing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from shared import models
from shared.comfy import sections
from shared.comfy.failures import values_of_combo
from shared.comfy.graph import Node
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import INPUT_OF, Attempt, ControlParams, StageInput
from shared.contracts.vocabulary import Camera, ControlType, Stage
from shared.stage import Names, StageDefinition
from shared.worker.settings import Option, WorkerSettings

SHAPE_NO_GRAPH = {*Attempt.model_fields, "contract_version", "resolution", "duration", "seed", "steps"}
"""Fields that change numbers in a graph, but neither its node classes nor its files."""
SOMETHING = Artifact(key="inputs/x", sha256="0" * 64, bytes=1, media_type="application/octet-stream")


@dataclass(frozen=True)
class Needs:
    """Of all graphs that a stage can make."""

    classes: frozenset[str]
    files: frozenset[tuple[str, str, str]]
    """(class, input, file name) wherever a graph names weights."""
    unnamed: frozenset[str]
    """Weights that are read beside a named one: the other shards of a folder."""


def needs(definition: StageDefinition, settings: WorkerSettings) -> Needs:
    """The union over every variant of the stage's input."""
    known = {file.name for file in models.all_files().values()}
    classes: set[str] = set()
    files: set[tuple[str, str, str]] = set()
    read: set[str] = set()
    for work in variants(definition.stage, settings):
        read |= keys.models_of(work).keys()
        for node in _nodes(definition, work):
            classes.add(node.class_type)
            named = ((name, value) for name, value in node.inputs.items() if isinstance(value, str) and value in known)
            files |= {(node.class_type, name, value) for name, value in named}
    return Needs(frozenset(classes), frozenset(files), frozenset(read - {name for _, _, name in files}))


def _nodes(definition: StageDefinition, work: StageInput) -> Iterator[Node]:
    for graph in definition.graphs(work, Names(work.attempt_id)):
        yield from graph.nodes.values()


def variants(stage: Stage, settings: WorkerSettings) -> Iterator[StageInput]:
    """Every legal input of a stage, as far as it shapes the graph's classes and files."""
    kind = INPUT_OF[stage]
    choices = {
        name: _choices(name, field, settings) for name, field in kind.model_fields.items() if name not in SHAPE_NO_GRAPH
    }
    for values in product(*choices.values()):
        try:
            yield kind.model_validate(dict(zip(choices, values, strict=True)))
        except ValidationError:
            continue  # no request may have this combination


def _choices(name: str, field: FieldInfo, settings: WorkerSettings) -> tuple[Any, ...]:
    ready = product(ControlType, (False, True)) if Option.CONTROL in settings.options else ()
    special: dict[str, tuple[Any, ...]] = {
        "prompt": ("x",),
        "precision": settings.precisions,
        "quality": settings.qualities,
        "camera": tuple(Camera) if Option.CAMERA in settings.options else (Camera.NONE,),
        "detailer": (False, True) if Option.DETAILER in settings.options else (False,),
        "text_encoder": (settings.text_encoder,),
        "control": (None, *(ControlParams(type=kind, preprocessed=is_ready) for kind, is_ready in ready)),
        **dict.fromkeys(keys.INPUT_ROLES, (SOMETHING,) if field.is_required() else (None, SOMETHING)),
    }
    about = field.annotation
    if name in special:
        return special[name]
    if about is bool:
        return (False, True)
    if get_origin(about) is Literal:
        return get_args(about)
    if isinstance(about, type) and issubclass(about, StrEnum):
        return tuple(about)
    raise TypeError(f"{name}: nobody said which values of {about} shape a graph")


def missing_classes(needed: Needs, catalogue: Mapping[str, Any]) -> list[str]:
    """`catalogue` is the answer of GET /object_info."""
    return sorted(needed.classes - catalogue.keys())


def remedy(absent: Collection[str]) -> str:
    """What to do about node classes that ComfyUI lacks."""
    failed = "a node pack did not load; look for IMPORT FAILED in its log"
    if sections.DECODE_TO_VIDEO not in absent:
        return failed
    return (
        f"{failed}. {sections.DECODE_TO_VIDEO} is this project's own: a worker hands workers/comfy_nodes to the "
        "ComfyUI that it starts, and the image or checkout has to hold that folder; into one that runs already "
        "(COMFYUI_URL) link workers/comfy_nodes/mivo as custom_nodes/mivo"
    )


def missing_files(needed: Needs, catalogue: Mapping[str, Any]) -> list[str]:
    """Names of weights that the inputs of ComfyUI's loaders do not offer."""
    offers = {key: _offer(catalogue.get(key[0], {}), key[1]) for key in {file[:2] for file in needed.files}}
    anywhere = frozenset().union(*offers.values())
    absent = {name for class_type, given, name in needed.files if name not in offers[class_type, given]}
    return sorted(absent | (needed.unnamed - anywhere))


def _offer(entry: Mapping[str, Any], name: str) -> frozenset[str]:
    groups = entry.get("input") or {}
    return frozenset(values_of_combo({**groups.get("optional", {}), **groups.get("required", {})}.get(name) or []))
