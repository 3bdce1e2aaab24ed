"""What the routes need, as one value on the app; `app.py` fills it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from orchestrator.advance import Advance
from orchestrator.feed import Feed
from orchestrator.inputs import Inputs
from orchestrator.library import Library
from orchestrator.metrics import Metrics
from orchestrator.poller import Poller
from orchestrator.queue import Queue
from orchestrator.runpod_client import RunPodClient
from orchestrator.settings import Settings
from orchestrator.store import Database
from orchestrator.store.notices import Notices
from orchestrator.workforce import Workforce


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database
    queue: Queue
    advance: Advance
    library: Library
    runpod: RunPodClient
    inputs: Inputs
    poller: Poller
    notices: Notices
    feed: Feed
    metrics: Metrics
    workforce: Workforce


async def services_of(connection: HTTPConnection) -> Services:
    """Asynchronous although it waits for nothing: FastAPI calls what is not on a thread, for each request."""
    found: Services = connection.app.state.services
    return found


Injected = Annotated[Services, Depends(services_of)]
