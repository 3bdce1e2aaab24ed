"""The node classes, one file per subject. A class that stands in one of these files is a node of the engine."""

import inspect
from types import ModuleType

from local.comfyui_preview.engine.node import Node
from local.comfyui_preview.nodes import (
    conditioning,
    control,
    guiders,
    guides,
    image,
    latents,
    loaders,
    masks,
    mivo,
    plain,
    resizing,
    sampling,
    sigmas,
    testing,
    vae,
    video,
)

_SUBJECTS: tuple[ModuleType, ...] = (
    loaders, conditioning, latents, masks, sigmas, guiders, guides, sampling,
    vae, video, mivo, image, resizing, control, plain, testing,
)  # fmt: skip


def node_classes(*, with_test_nodes: bool) -> dict[str, type[Node]]:
    """class_type -> class. Test nodes raise and sleep on demand; they are hidden unless asked for."""
    found: dict[str, type[Node]] = {}
    for subject in _SUBJECTS:
        for name, member in inspect.getmembers(subject, inspect.isclass):
            if not issubclass(member, Node) or inspect.isabstract(member) or member.__module__ != subject.__name__:
                continue
            if with_test_nodes or not member.test_only:
                found[name] = member
    return found
