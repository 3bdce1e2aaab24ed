"""How a node says what it takes: the types and bounds that ComfyUI checks and lists in /object_info."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.comfyui_preview.folders import Folders
from local.comfyui_preview.settings import Settings


@dataclass(frozen=True)
class Offer:
    """Where the options of a choice come from: model files and input files change while the server runs."""

    settings: Settings
    folders: Folders


Options = Callable[[Offer], Sequence[str]]


@dataclass(frozen=True)
class Input:
    """One input. `kind` is ComfyUI's type name; a CHOICE has options; bounds are inclusive."""

    kind: str
    optional: bool = False
    default: Any = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    options: Options | None = None
    multiline: bool = False
    branches: "dict[str, dict[str, Input]] | None" = None  # of a dynamic combo: option -> the inputs it brings

    def config(self, offer: Offer) -> list[Any]:
        """The entry of /object_info, and the `input_config` of validation errors: [type or options, details]."""
        named = {"default": self.default, "min": self.low, "max": self.high, "step": self.step}
        details: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
        if self.multiline:
            details["multiline"] = True
        if self.branches is not None:
            details["options"] = [
                {"key": key, "inputs": {"required": {name: part.config(offer) for name, part in parts.items()}}}
                for key, parts in self.branches.items()
            ]
        return [list(self.options(offer)) if self.options else self.kind, details]


def takes(**inputs: Input) -> dict[str, Input]:
    """The inputs of a node by name."""
    return inputs


def link(kind: str, *, optional: bool = False) -> Input:
    """An input that another node's output must feed."""
    return Input(kind, optional=optional)


def integer(default: int, low: int, high: int, step: int = 1, *, optional: bool = False) -> Input:
    return Input("INT", optional, default, low, high, step)


def number(default: float, low: float, high: float, step: float | None = None) -> Input:
    return Input("FLOAT", False, default, low, high, step)


def text(default: str = "", *, multiline: bool = False) -> Input:
    return Input("STRING", default=default, multiline=multiline)


def flag(*, default: bool) -> Input:
    return Input("BOOLEAN", default=default)


def choice(*options: str) -> Input:
    return Input("COMBO", options=lambda _: options)


def dynamic(**branches: dict[str, Input]) -> Input:
    """A choice whose options bring inputs of their own, named "choice.input" in a graph (DynamicCombo)."""
    return Input("COMFY_DYNAMICCOMBO_V3", branches=branches)


def model_file(*folders: str) -> Input:
    """One of the model files in these folders below models/."""
    return Input("COMBO", options=lambda offer: [name for f in folders for name in offer.settings.names(f)])


def input_file(*suffixes: str) -> Input:
    """A file in input/; any existing path is taken, the list is only an offer (facts/comfyui.md section 4)."""
    return Input("COMBO", options=lambda offer: offer.folders.inputs(*suffixes))


def embedding_file() -> Input:
    """A file below the embeddings folder; any existing path is taken."""

    def names(offer: Offer) -> list[str]:
        root = offer.folders.embeddings
        return sorted(str(path.relative_to(root)) for path in root.rglob("*.safetensors"))

    return Input("COMBO", options=names)
