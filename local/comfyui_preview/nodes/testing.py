"""Nodes for tests of clients: they fail and wait on demand. Names and inputs are those of tools/tiny_gemma."""

import numpy as np

from local.comfyui_preview.engine.inputs import choice, integer, number, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics.frames import Stills

_BLACK = Stills(np.zeros((1, 8, 8, 3), np.uint8))


class OutOfMemoryError(RuntimeError):
    """Seen by clients as torch.OutOfMemoryError."""


class AcceleratorError(RuntimeError):
    """Seen by clients as torch.AcceleratorError."""


for _imitated in (OutOfMemoryError, AcceleratorError):
    _imitated.__module__ = "torch"

_ERRORS: dict[str, Exception] = {
    "torch_oom": OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.00 GiB is"
        " free."
    ),
    "accelerator_oom_text": AcceleratorError("CUDA error: out of memory"),
    "memory_error": MemoryError("host out of memory"),
    "value_error": ValueError("boom"),
}


class TestRaise(Node):
    inputs = takes(kind=choice(*_ERRORS), nonce=integer(0, 0, 2**31))
    outputs = (("IMAGE", "IMAGE"),)
    test_only = True

    def run(self, *, kind: str, nonce: int) -> Result:
        del nonce
        raise _ERRORS[kind].with_traceback(None)


class TestSleep(Node):
    """Waits, and reports progress ten times a second."""

    inputs = takes(seconds=number(1.0, 0, 600), nonce=integer(0, 0, 2**31))
    outputs = (("IMAGE", "IMAGE"),)
    test_only = True

    def run(self, *, seconds: float, nonce: int) -> Result:
        del nonce
        steps = max(1, int(seconds * 10))
        for step in range(1, steps + 1):
            self.job.pause(0.1)
            self.job.report(step, steps)
        return Result((_BLACK,))


class TestSilent(Node):
    """Waits without a word, like the load of a model: an interrupt takes effect only at the next node."""

    inputs = takes(seconds=number(1.0, 0, 600), nonce=integer(0, 0, 2**31))
    outputs = (("IMAGE", "IMAGE"),)
    test_only = True

    def run(self, *, seconds: float, nonce: int) -> Result:
        del nonce
        self.job.sleep(seconds)
        return Result((_BLACK,))
