"""How long a GPU would take: mean seconds by the shape of a latent, as they are given from outside."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from local.comfyui_preview.numerics import codec

SIGMA = 0.15
"""Of the logarithm, for compute (facts/ltx2.md section 6.2)."""


class Cost(BaseModel):
    """Mean seconds over one shape; None: nobody gave a time for that, and whoever needs it fails."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: float | None = Field(None, ge=0, le=3600)
    """Of one forward pass of a sampler's step."""
    decode: float | None = Field(None, ge=0, le=3600)


class ServiceTimes(BaseModel):
    """The file that `--service-times` names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    costs: dict[str, Cost] = Field(min_length=1)
    """By `shape_name`."""
    sigma: float = Field(SIGMA, ge=0, le=2)
    seed: int = 0

    @classmethod
    def read(cls, path: Path) -> "ServiceTimes":
        """OSError, or ValidationError that names every wrong entry."""
        return cls.model_validate_json(path.read_bytes())

    def mean(self, what: Literal["step", "decode"], shape: tuple[int, ...]) -> float:
        """Seconds for a video latent [1, 128, T, h, w]; ValueError for one that has no such time."""
        name = shape_name(codec.frames_of(shape[2]), shape[4] * codec.CELL, shape[3] * codec.CELL)
        seconds: float | None = getattr(self.costs.get(name), what, None)
        if seconds is None:
            raise ValueError(
                f"no service time for a {what} of {name}; there are times of {', '.join(sorted(self.costs))}"
            )
        return seconds


def shape_name(frames: int, width: int, height: int) -> str:
    return f"{frames}x{width}x{height}"
