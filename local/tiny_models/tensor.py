"""What a weight file holds, before any number is drawn, and the few kinds of layers that everything is made of.

Standard deviations are those of a fresh network: 1/sqrt(fan-in) for weights, so that signals keep their size
through any number of layers, and a little for biases.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

Dtype = Literal["bfloat16", "float32", "float8_e4m3fn", "uint8"]
"""As safetensors calls them."""

BIAS = 0.02
TABLE = 0.1  # standard deviation of learned tables, registers and statistics


@dataclass(frozen=True)
class Tensor:
    """One random tensor; normal, with `std` 0 for a constant."""

    shape: tuple[int, ...]
    std: float
    mean: float = 0.0
    dtype: Dtype = "bfloat16"


Layout: TypeAlias = dict[str, Tensor]
"""Key in the file -> tensor."""


def weight(key: str, *shape: int) -> Layout:
    """The weight of a linear or convolutional layer, shape [out, in, *kernel]."""
    return {f"{key}.weight": Tensor(shape, prod(shape[1:]) ** -0.5)}


def layer(key: str, *shape: int) -> Layout:
    """The same with its bias, shape [out]."""
    return {**weight(key, *shape), f"{key}.bias": Tensor((shape[0],), BIAS)}


def conv(key: str, out: int, into: int, *, dims: int, kernel: int = 3) -> Layout:
    """A causal convolution, which ComfyUI wraps: its weights stand one level down, below `.conv`."""
    return layer(f"{key}.conv", out, into, *(kernel,) * dims)


def norm(key: str, width: int, mean: float = 1.0) -> Layout:
    return {f"{key}.weight": Tensor((width,), 0.0, mean)}


def table(key: str, *shape: int, mean: float = 0.0) -> Layout:
    return {key: Tensor(shape, TABLE, mean)}
