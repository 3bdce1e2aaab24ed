"""`python -m orchestrator serve` runs the service, `python -m orchestrator migrate` prepares its database."""

import asyncio
import signal
import sys

import uvicorn

from orchestrator.app import create_app
from orchestrator.queue import queue_migrations
from orchestrator.settings import Settings, SettingsError, load
from orchestrator.store.migrations import migrate, own_migrations
from shared import logs

KEEP_ALIVE_SECONDS = 75
"""Of an idle connection: longer than any client or load balancer keeps one (an ALB 60 s, httpx 5), so that it is they
who close it, and no request meets a connection that is just being closed.
"""
CLOSE_SECONDS = 3
"""Open requests at SIGTERM get this long; then the lifespan ends (`app.DRAIN_SECONDS`)."""


def main(arguments: list[str]) -> int:
    if arguments not in (["serve"], ["migrate"]):
        sys.stderr.write("usage: python -m orchestrator serve|migrate\n")
        return 2
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    logs.configure("orchestrator", level=settings.log_level)
    if arguments == ["migrate"]:
        applied = asyncio.run(migrate(settings.database_url.get_secret_value(), queue_migrations, own_migrations))
        sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")
        return 0
    serve(settings)
    return 0


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; a polite end is exit status 0.

    uvicorn stops the application on a signal, and then raises it again for whoever handled it before: for us.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        proxy_headers=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_max_size=4096,  # clients have nothing to say there
        ws_per_message_deflate=False,  # a message has 200 bytes; zlib would hold most of what a socket takes
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
