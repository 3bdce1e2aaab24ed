"""Tiny random weights under the real names, so that a real ComfyUI runs every graph on a CPU in seconds.

Layouts are the real ones (keys, metadata, folders), widths are not: ComfyUI reads the widths of the transformer,
the VAEs and the upscalers from the files, and those of Gemma have to be shrunk in ComfyUI itself, which
tests/comfyui/custom_nodes/mivo_tiny does. Nothing here says anything about picture quality.
"""

from local.tiny_models.write import cannot_be_made, write

__all__ = ["cannot_be_made", "write"]
