"""The node that ends every graph with a video: docs/adr/0006-a-node-of-our-own-decodes-and-encodes.md."""

from .node import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
