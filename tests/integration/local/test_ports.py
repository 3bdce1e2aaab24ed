"""Who looks for ports at the same time never finds the same, though nobody listens yet."""

import subprocess
import sys
from socket import AF_INET, SOCK_STREAM, socket

import pytest

from shared.ports import HOST, claim, free_ports

FEW = range(32_000, 32_100)  # where nobody else looks
FINDER = "import sys; from shared import ports; print(*ports.free_ports(20, range(32000, 32100))); sys.stdin.read()"


def test_other_processes_find_others() -> None:
    command = [sys.executable, "-c", FINDER]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        lines = [process.stdout.readline() for process in running if process.stdout]
        found = [int(port) for line in lines for port in line.split()]
        found += free_ports(10, FEW)
        assert len(found) == len(set(found)) == 70
    finally:
        for process in running:
            process.communicate(timeout=10)


def test_a_port_is_given_again_only_when_it_was_held_long_enough() -> None:
    two = range(32_200, 32_202)
    first = free_ports(2, two, held_seconds=0)
    assert sorted(free_ports(2, two, held_seconds=60)) == sorted(first)
    with pytest.raises(OSError, match="1 free ports are not to be had"):
        free_ports(1, two)


def test_one_where_somebody_listens_is_not_free_and_not_held() -> None:
    with socket(AF_INET, SOCK_STREAM) as server:
        server.bind((HOST, 32_300))
        with pytest.raises(OSError, match="1 free ports are not to be had"):
            free_ports(1, range(32_300, 32_301))
        mark = claim(32_300)
        assert mark is not None
        assert claim(32_300) is None
        mark.close()
