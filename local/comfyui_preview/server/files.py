"""The HTTP routes about files and the machine: upload, view, system_stats, features."""

import os
import platform
import sys
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from local.comfyui_preview import COMFYUI_VERSION, DEVICE
from local.comfyui_preview.folders import Folders, OutsideError
from local.comfyui_preview.server.sockets import FEATURES

_PAGE = os.sysconf("SC_PAGE_SIZE")


class FileRoutes:
    def __init__(self, folders: Folders, argv: list[str]) -> None:
        self._folders, self._argv = folders, argv

    def routes(self) -> list[Route]:
        return [
            Route("/view", self.view),
            Route("/upload/image", self.upload, methods=["POST"]),
            Route("/system_stats", self.system_stats),
            Route("/features", self.features),
        ]

    async def view(self, request: Request) -> Response:
        """Any file of output, input or temp; Range is honoured."""
        query = request.query_params
        name, kind, subfolder = query.get("filename", ""), query.get("type", "output"), query.get("subfolder", "")
        if not name or name.startswith("/") or ".." in name:
            return Response(status_code=400)
        try:
            root = self._folders.of(kind)
        except KeyError:
            return Response(status_code=400)
        try:
            path = self._folders.inside(root, subfolder, Path(name).name)
        except OutsideError:
            return Response(status_code=403)
        if not path.is_file():
            return Response(status_code=404)
        return FileResponse(path, filename=path.name)

    async def upload(self, request: Request) -> Response:
        """Any file at all. Without `overwrite` a different file of that name gets " (1)" into its name."""
        form = await request.form()
        image = form.get("image")
        if not isinstance(image, UploadFile) or not image.filename:
            return Response(status_code=400)
        kind, subfolder = str(form.get("type") or "input"), str(form.get("subfolder") or "")
        try:
            path = self._folders.inside(self._folders.of(kind), subfolder, image.filename)
        except (OutsideError, KeyError):
            return Response(status_code=400)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = await image.read()
        if str(form.get("overwrite", "")).lower() not in {"true", "1"}:
            path = _free_name(path, content)
        path.write_bytes(content)
        return JSONResponse({"name": path.name, "subfolder": subfolder, "type": kind})

    async def system_stats(self, _: Request) -> Response:
        total, free = (os.sysconf(name) * _PAGE for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
        system = {
            "os": sys.platform,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": COMFYUI_VERSION,
            "required_frontend_version": None,
            "installed_templates_version": None,
            "required_templates_version": None,
            "comfy_package_versions": [],
            "python_version": sys.version,
            "pytorch_version": "none (preview)",
            "embedded_python": False,
            "deploy_environment": f"preview-{platform.machine()}",
            "argv": self._argv,
        }
        memory = {"vram_total": total, "vram_free": free, "torch_vram_total": total, "torch_vram_free": free}
        device = {"name": DEVICE, "type": "cpu", "index": None, **memory}
        return JSONResponse({"system": system, "devices": [device]})

    async def features(self, _: Request) -> Response:
        return JSONResponse(FEATURES)


def _free_name(path: Path, content: bytes) -> Path:
    candidate, number = path, 1
    while candidate.exists() and candidate.read_bytes() != content:
        candidate = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return candidate
