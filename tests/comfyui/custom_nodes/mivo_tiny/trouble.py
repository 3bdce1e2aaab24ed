"""Nodes that do on demand what a client has to survive. The preview engine has the same, with the same inputs."""

# ruff: noqa: ANN001, ANN201, ANN206, ARG002, N802
# mypy: ignore-errors
# Names and signatures are ComfyUI's, which has no types; torch and comfy exist only where it runs.

import time

import comfy.utils
import torch

PATIENCE = {"seconds": ("FLOAT", {"default": 1.0, "min": 0, "max": 600})}
NONCE = {"nonce": ("INT", {"default": 0, "min": 0, "max": 2**31})}
ERRORS = {
    "torch_oom": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "accelerator_oom_text": getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: out of memory"),
    "memory_error": MemoryError("host out of memory"),
    "value_error": ValueError("boom"),
}


def black():
    """An image of 8x8 pixels."""
    return (torch.zeros(1, 8, 8, 3),)


class Trouble:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"


class TestRaise(Trouble):
    """Fails the way it is told to."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"kind": (list(ERRORS),), **NONCE}}

    def run(self, kind, nonce):
        raise ERRORS[kind]


class TestSleep(Trouble):
    """Waits, and reports progress ten times a second."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {**PATIENCE, **NONCE}}

    def run(self, seconds, nonce):
        steps = max(1, int(seconds * 10))
        progress = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            time.sleep(0.1)
            progress.update(1)
        return black()


class TestSilent(Trouble):
    """Waits without a word, as the load of a model does."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {**PATIENCE, **NONCE}}

    def run(self, seconds, nonce):
        time.sleep(seconds)
        return black()


NODE_CLASS_MAPPINGS = {"TestRaise": TestRaise, "TestSleep": TestSleep, "TestSilent": TestSilent}
