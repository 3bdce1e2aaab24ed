"""Guiders: which model follows which prompts, and how closely."""

from typing import Any

from local.comfyui_preview.engine.inputs import choice, flag, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.values import Conditioning, Guider, Model


def _guider(model: Model, positive: Conditioning, negative: Conditioning, cfg: float) -> Guider:
    return Guider(model, positive, None if cfg == 1 else negative, cfg)


class CFGGuider(Node):
    inputs = takes(
        model=link("MODEL"),
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        cfg=number(8.0, 0.0, 100.0, 0.1),
    )
    outputs = (("GUIDER", "GUIDER"),)

    def run(self, *, model: Model, positive: Conditioning, negative: Conditioning, cfg: float) -> Result:
        return Result((_guider(model, positive, negative, cfg),))


class BasicGuider(Node):
    inputs = takes(model=link("MODEL"), conditioning=link("CONDITIONING"))
    outputs = (("GUIDER", "GUIDER"),)

    def run(self, *, model: Model, conditioning: Conditioning) -> Result:
        return Result((Guider(model, conditioning),))


class GuiderParameters(Node):
    """The cfg of one modality, beside those of `parameters`. The preview has nothing that the others could guide."""

    inputs = takes(
        modality=choice("VIDEO", "AUDIO"),
        cfg=number(1.0, 0.0, 100.0, 0.1),
        stg=number(1.0, 0.0, 100.0, 0.01),
        perturb_attn=flag(default=True),
        rescale=number(0.7, 0.0, 100.0, 0.01),
        modality_scale=number(0.0, 0.0, 100.0, 0.01),
        skip_step=integer(0, 0, 100),
        cross_attn=flag(default=True),
        parameters=link("GUIDER_PARAMETERS", optional=True),
    )
    outputs = (("GUIDER_PARAMETERS", "GUIDER_PARAMETERS"),)

    def run(self, *, modality: str, cfg: float, parameters: dict[str, float] | None = None, **_: Any) -> Result:
        return Result(({**(parameters or {}), modality: cfg},))


class MultimodalGuider(Node):
    inputs = takes(
        model=link("MODEL"),
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        parameters=link("GUIDER_PARAMETERS"),
        skip_blocks=text(multiline=True),
    )
    outputs = (("GUIDER", "GUIDER"),)

    def run(
        self,
        *,
        model: Model,
        positive: Conditioning,
        negative: Conditioning,
        parameters: dict[str, float],
        **_: Any,
    ) -> Result:
        return Result((_guider(model, positive, negative, parameters.get("VIDEO", 1.0)),))
