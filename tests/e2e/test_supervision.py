"""Nothing outlives the local cloud: neither Ctrl-C nor kill -9 of its process; and two clouds do not collide."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx

from local.cloud import FACTS, read_facts
from tests.fixtures_cloud import wait_for


def processes_of(state: Path) -> list[str]:
    """Command lines of all processes that name this state folder, in arguments or environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if os.fsencode(state) in said:
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
    return found


def start(state: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "local.up", "--state", str(state), "--port", "8080"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)


def up_yet(state: Path) -> bool | None:
    return True if (state / FACTS).exists() else None


def gone(state: Path) -> bool | None:
    return None if processes_of(state) else True


def test_ctrl_c_and_kill_9_leave_nothing_behind_and_two_clouds_do_not_collide(tmp_path: Path) -> None:
    states = [tmp_path / "one", tmp_path / "two"]
    ups = [start(state) for state in states]
    try:
        for state in states:
            wait_for(partial(up_yet, state), seconds=90, what=f"{state} to be up")
        urls = [read_facts(state).api_url for state in states]
        assert len(set(urls)) == 2
        assert all(httpx.get(f"{url}/readyz", trust_env=False).is_success for url in urls)
        ups[0].send_signal(signal.SIGINT)
        assert ups[0].wait(30) == 0
        wait_for(lambda: gone(states[0]), seconds=10, what="the first cloud's processes to be gone")
        assert httpx.get(f"{urls[1]}/readyz", trust_env=False).is_success
        ups[1].kill()
        ups[1].wait(10)
        wait_for(lambda: gone(states[1]), seconds=15, what="the second cloud's processes to be gone")
    finally:
        for up in ups:
            if up.poll() is None:
                up.kill()
                up.wait(10)
