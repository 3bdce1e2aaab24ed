"""Starts the preview engine: python -m local.comfyui_preview --port 8188 --base-directory DIR."""

import sys

import structlog
import uvicorn

from local.comfyui_preview.cli import parse
from local.comfyui_preview.server.app import create_app


def main() -> None:
    command = parse(sys.argv[1:])
    structlog.get_logger("comfyui_preview").info(
        "preview engine: no model runs here, pictures are stand-ins", port=command.port, base=str(command.settings.base)
    )
    app = create_app(command.settings, sys.argv)
    uvicorn.run(app, host=command.host, port=command.port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
