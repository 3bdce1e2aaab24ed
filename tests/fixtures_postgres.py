"""A real Postgres: one server per test session, a fresh database for whoever asks."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from local import postgres
from tests.fixtures_s3 import running


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of the maintenance database of a throw-away server (about a second to start).

    The short folder keeps its socket's path under the 107 bytes of sockaddr_un.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    argv = [sys.executable, "-m", "local.postgres", str(folder)]
    try:
        with running(argv, ready=lambda: postgres.running(folder), log=folder / "log"):
            yield postgres.url(folder)
    finally:
        shutil.rmtree(folder)


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
