"""Node packs that this project's graphs need beside ComfyUI's own: a folder of `custom_nodes`, as ComfyUI calls it.

A worker hands it to the ComfyUI that it starts (shared/comfy/process.py). ComfyUI loads every file that lies in such
a folder, so this one too, and wants nodes of it; the packs are the folders beside it. They run in ComfyUI's own
interpreter and import nothing of this project.
"""

NODE_CLASS_MAPPINGS: dict[str, type] = {}
