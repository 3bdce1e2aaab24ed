"""Free TCP ports on loopback for the servers that we start ourselves."""

import random
from contextlib import ExitStack, suppress
from socket import AF_INET, SOCK_STREAM, socket

HOST = "127.0.0.1"
# All below Linux's ephemeral ports (32768 up), so that no outgoing connection takes one before its server does, and
# apart from each other, as a worker looks for one while the cloud around it may still be starting.
SERVERS = range(10_000, 20_000)
COMFYUI = range(20_000, 32_000)


def free_ports(count: int, among: range = SERVERS) -> list[int]:
    """Different ports that nobody on this machine uses now. OSError when there are not so many."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(among, len(among)):
            if len(found) == count:
                return found
            with suppress(OSError):  # taken
                held.enter_context(socket(AF_INET, SOCK_STREAM)).bind((HOST, port))
                found.append(port)
    raise OSError(f"{count} free ports are not to be had from {among.start} to {among.stop}")
