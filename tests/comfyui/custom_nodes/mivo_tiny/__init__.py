"""A node pack for a ComfyUI that is used for tests only: Gemma made small, and nodes that fail and wait on demand.

Link this folder into `custom_nodes/` (tests/comfyui does). Written against ComfyUI 0.25.
"""

from . import gemma, same, trouble

NODE_CLASS_MAPPINGS = {**trouble.NODE_CLASS_MAPPINGS, **same.NODE_CLASS_MAPPINGS}

gemma.shrink()

__all__ = ["NODE_CLASS_MAPPINGS"]
