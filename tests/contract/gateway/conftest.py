from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.tls import trusted
from tests.contract.gateway.harness import BEARER, Client, SdkWorker, serve, settings


@pytest.fixture
def start_gateway(new_database: Callable[[], str]) -> Iterator[Callable[..., str]]:
    """Starts a gateway with settings of the test's own; returns its URL."""
    with ExitStack() as stack:
        yield lambda **over: stack.enter_context(serve(settings(new_database(), **over)))


@pytest.fixture(scope="session")
def gateway_url(new_database: Callable[[], str]) -> Iterator[str]:
    """One gateway for all tests that need no settings of their own; each uses an endpoint of its own."""
    with serve(settings(new_database())) as url:
        yield url


@pytest.fixture
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[str], Client]]:
    """A client of the endpoint that is named after the test."""
    clients: list[httpx.AsyncClient] = []

    def make(url: str) -> Client:
        http = httpx.AsyncClient(base_url=url, headers=BEARER, timeout=30, verify=trusted())
        clients.append(http)
        return Client(http, request.node.name.replace("[", "-").replace("]", ""))

    yield make
    for http in clients:
        await http.aclose()


@pytest.fixture
def client(gateway_url: str, connect: Callable[[str], Client]) -> Client:
    return connect(gateway_url)


@pytest.fixture
def quick(start_gateway: Callable[..., str], connect: Callable[[str], Client]) -> Client:
    """A gateway with a lease of half a second."""
    return connect(start_gateway(lease_seconds=0.5, hold_seconds=3))


@pytest.fixture
def patient(start_gateway: Callable[..., str], connect: Callable[[str], Client]) -> Client:
    """A gateway whose leases outlast any test: what is queued again there was not left to the lease."""
    return connect(start_gateway(lease_seconds=600))


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., SdkWorker]]:
    """Starts real SDK workers; their process groups end with the test."""
    workers: list[SdkWorker] = []

    def start(url: str, endpoint: str, name: str, **environment: Any) -> SdkWorker:
        workers.append(SdkWorker(url, endpoint, name, tmp_path, **environment))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill_group()
