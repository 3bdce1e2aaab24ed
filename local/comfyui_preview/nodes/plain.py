"""Plain values."""

from typing import Any

from local.comfyui_preview.engine.inputs import Input, link, takes
from local.comfyui_preview.engine.node import Node, Result


class LTXFloatToInt(Node):
    inputs = takes(a=Input("FLOAT", default=0.0))
    outputs = (("INT", "INT"),)

    def run(self, *, a: float) -> Result:
        return Result((int(a),))


class PreviewAny(Node):
    inputs = takes(source=link("*"))
    outputs = (("STRING", "STRING"),)
    is_output = True

    def run(self, *, source: Any) -> Result:
        return Result((str(source),), {"text": [str(source)]})
