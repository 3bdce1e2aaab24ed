"""Free TCP ports on loopback for the servers that we start ourselves."""

import random
import time
from contextlib import ExitStack
from socket import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM, socket
from threading import Lock

HOST = "127.0.0.1"
# All below Linux's ephemeral ports (32768 up), so that no outgoing connection takes one before its server does, and
# apart from each other, as a worker looks for one while the cloud around it may still be starting.
SERVERS = range(10_000, 20_000)
COMFYUI = range(20_000, 32_000)

HELD_SECONDS = 120.0
"""From finding a port until its server surely listens there, or never will."""

_lock = Lock()
_held: dict[socket, float] = {}
"""Mark -> until when."""


def free_ports(count: int, among: range = SERVERS, *, held_seconds: float = HELD_SECONDS) -> list[int]:
    """Different ports that nobody on this machine uses now, and that this function gave nobody of late.

    OSError when there are not so many.
    """
    found: list[int] = []
    with _lock, ExitStack() as probes:
        for old in [mark for mark, until in _held.items() if until <= time.monotonic()]:
            del _held[old]
            old.close()
        for port in random.sample(among, len(among)):
            if len(found) == count:
                break
            mark = claim(port)
            if mark is None:
                continue
            probe = probes.enter_context(socket(AF_INET, SOCK_STREAM))
            try:
                probe.bind((HOST, port))
            except OSError:  # somebody listens there
                mark.close()
                continue
            _held[mark] = time.monotonic() + held_seconds
            found.append(port)
    if len(found) < count:
        raise OSError(f"{count} free ports are not to be had from {among.start} to {among.stop}")
    return found


def claim(port: int) -> socket | None:
    """Holds a port against all other claims on this machine, long before anybody listens there; None when it is held.

    Close it to give the port back; the end of the process does so too. It is a name in Linux's abstract namespace of
    Unix sockets (unix(7)), which reaches as far as the ports do and leaves no file behind.
    """
    mark = socket(AF_UNIX, SOCK_DGRAM)
    try:
        mark.bind(f"\0ltx2-port-{port}")
    except OSError:
        mark.close()
        return None
    return mark
