"""Controls: depth, canny or pose of a video holds the new one in place, through an IC-LoRA. Data only; pure.

A new control is a row in `CONTROLS`, its files in `models.toml` and its way from frames to a map in
`workers/base_gen/control.py`. A contract test fails until all of them exist.
"""

from typing import Literal

from shared.contracts.vocabulary import ControlType, Frozen


class CannyMap(Frozen):
    """Canny: edges; needs no model. Thresholds of the official IC-LoRA workflow (facts/ltx2.md section 4)."""

    kind: Literal["canny"] = "canny"
    low_threshold: float = 0.4
    high_threshold: float = 0.8


class DepthMap(Frozen):
    """Depth-Anything-3, near is white: core nodes and values of graph h8, which a real ComfyUI executed.

    `v2_style` scales every frame by itself; whether that flickers on real footage is owed to a GPU run.
    """

    kind: Literal["depth"] = "depth"
    resolution: int = 504
    resize_method: str = "lower_bound_resize"
    mode: str = "mono"
    normalization: str = "v2_style"
    apply_sky_clip: bool = False


class PoseMap(Frozen):
    """SDPose on the whole frame, one person in it: core nodes and values of graph h10, which ComfyUI accepted."""

    kind: Literal["pose"] = "pose"
    batch_size: int = 16
    draw_body: bool = True
    draw_hands: bool = True
    draw_face: bool = True
    draw_head: bool = True
    draw_feet: bool = False
    stick_width: int = 4
    face_point_size: int = 2
    score_threshold: float = 0.5


ControlMap = CannyMap | DepthMap | PoseMap
"""How frames become the picture that the IC-LoRA was trained on."""


class ControlKind(Frozen):
    """One control. Roles are those of `models.toml`."""

    lora: str
    map: ControlMap
    map_model: str | None = None
    """The weights that make the map, if any."""


CONTROLS: dict[ControlType, ControlKind] = {
    ControlType.DEPTH: ControlKind(lora="control/depth", map=DepthMap(), map_model="map/depth"),
    ControlType.CANNY: ControlKind(lora="control/canny", map=CannyMap()),
    ControlType.POSE: ControlKind(lora="control/pose", map=PoseMap(), map_model="map/pose"),
}
"""All three IC-LoRAs have the reference factor 1: any size that LTX-2 takes is good (facts/ltx2.md section 4)."""
