"""Puts the preview engine together: queue, sockets and routes, all under / and under /api."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

from local.comfyui_preview.engine.executor import Workplace
from local.comfyui_preview.engine.inputs import Offer
from local.comfyui_preview.engine.queue import PromptQueue
from local.comfyui_preview.folders import Folders
from local.comfyui_preview.nodes import node_classes
from local.comfyui_preview.server.files import FileRoutes
from local.comfyui_preview.server.limit import BodyLimit
from local.comfyui_preview.server.prompts import PromptRoutes
from local.comfyui_preview.server.sockets import Sockets
from local.comfyui_preview.service.served import Services
from local.comfyui_preview.service.stock import Stock
from local.comfyui_preview.settings import Settings


def create_app(settings: Settings, argv: list[str]) -> Starlette:
    """The ASGI app. Its lifespan creates the folders and runs the executing thread."""
    folders = Folders(settings.base, settings.embeddings)
    classes = node_classes(with_test_nodes=settings.test_nodes)
    sockets = Sockets()
    times = settings.service_times
    services = Services(times, Stock(settings.stock), settings.base.name) if times else None
    queue = PromptQueue(Workplace(classes, settings, folders, sockets.send, services=services))
    prompts = PromptRoutes(queue, classes, Offer(settings, folders))

    async def socket(websocket: WebSocket) -> None:
        await sockets.serve(websocket, queue)

    routes = [*prompts.routes(), *FileRoutes(folders, argv).routes(), WebSocketRoute("/ws", socket)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        folders.create()
        sockets.bind()
        queue.start()
        yield
        queue.close()

    both = [Mount("/api", routes=routes), *routes]
    return Starlette(routes=both, lifespan=lifespan, middleware=[Middleware(BodyLimit)])
