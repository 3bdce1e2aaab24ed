"""The preview engine: a server that speaks ComfyUI's protocol and executes LTX-2 graphs on the CPU with stand-ins.

It holds no weights and runs no model. It says "preview" in its version, its log and the metadata of its videos.
"""

import os

COMFYUI_VERSION = "0.25.0+preview"  # the version whose protocol it speaks: facts/comfyui.md
DEVICE = "preview-cpu"

# Its matrices are small: on a busy machine several threads wait for each other far longer than they work. numpy reads
# this when it is imported, so it stands here, before every module of the engine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
