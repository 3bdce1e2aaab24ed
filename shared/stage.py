"""What a stage tells the worker: its name and how its graph is made. Each `workers/*/stage.py` defines one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from uuid import uuid4

from shared.comfy.graph import Graph
from shared.contracts.stage import StageInput
from shared.contracts.vocabulary import Stage

EXECUTIONS = "ltx2"
"""Below ComfyUI's input and output: a folder for each execution."""


@dataclass(frozen=True)
class Names:
    """Names of one execution's files as ComfyUI sees them.

    Every one carries the attempt id: ComfyUI serves an identical graph from its cache and writes nothing
    (facts/comfyui.md section 7), so a retry under the same names would find no files. The nonce is for a job that
    RunPod delivers twice: the attempt is the same, its execution is not.
    """

    attempt_id: str
    nonce: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def execution(self) -> str:
        return f"{self.attempt_id}-{self.nonce}"

    @property
    def folder(self) -> str:
        """Below ComfyUI's input and output folders."""
        return f"{EXECUTIONS}/{self.execution}"

    @property
    def video_latent(self) -> str:
        return f"{self.folder}/video.latent"

    @property
    def audio_latent(self) -> str:
        return f"{self.folder}/audio.latent"

    @property
    def image(self) -> str:
        return f"{self.folder}/image.png"

    @property
    def control(self) -> str:
        """A clip of exactly the generated size and frames; the worker makes it of whatever the user sent."""
        return f"{self.folder}/control.mp4"

    @property
    def conditioning(self) -> str:
        """Below models/embeddings, which is mapped to input/conditioning; no sub-folders there."""
        return f"{self.conditioning_stem}.safetensors"

    @property
    def conditioning_stem(self) -> str:
        """As LTXVSaveConditioning wants it: it appends the type itself."""
        return self.execution

    @property
    def detail_conditioning(self) -> str:
        """Beside `conditioning`: what the detailer is told."""
        return f"{self.detail_conditioning_stem}.safetensors"

    @property
    def detail_conditioning_stem(self) -> str:
        return f"{self.execution}-detail"

    def prefix(self, what: str) -> str:
        """Of an output: ComfyUI appends a counter and the type."""
        return f"{self.folder}/{what}"


@dataclass(frozen=True)
class StageDefinition:
    stage: Stage
    build: Callable[[Any, Names], Graph]
    """(the stage's own input, names) -> graph. Pure."""
    look: Callable[[Any, Names], Graph] | None = None
    """The same for the early look, where the stage has one: a graph of its own, run after the manifest was written."""

    def graph(self, work: StageInput, names: Names) -> Graph:
        return self.build(work, names)

    def graphs(self, work: StageInput, names: Names) -> Iterator[Graph]:
        """Every graph that a job with this input executes."""
        yield self.build(work, names)
        if self.look is not None and getattr(work, "early_look", False):
            yield self.look(work, names)


def template(package: str, name: str) -> Graph:
    """A graph template of a worker's `workflows/` folder; FatalError when it is malformed."""
    text = files(package).joinpath("workflows", f"{name}.json").read_text(encoding="utf-8")
    return Graph.load(json.loads(text))
