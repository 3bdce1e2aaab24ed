"""Nothing outlives the local cloud: neither Ctrl-C nor kill -9 of its process; and two clouds do not collide."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx

from local.cloud import FACTS, read_facts
from tests import processes
from tests.waiting import wait_for


def start(state: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "local.up", "--state", str(state), "--port", "8080"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)


def up_yet(state: Path) -> bool:
    return (state / FACTS).exists()


def gone(state: Path) -> bool:
    return not processes.naming(state)


def test_ctrl_c_and_kill_9_leave_nothing_behind_and_two_clouds_do_not_collide(tmp_path: Path) -> None:
    states = [tmp_path / "one", tmp_path / "two"]
    ups = [start(state) for state in states]
    try:
        for state in states:
            wait_for(partial(up_yet, state), seconds=150, what=f"{state} to be up")
        urls = [read_facts(state).api_url for state in states]
        assert len(set(urls)) == 2
        assert all(httpx.get(f"{url}/readyz", trust_env=False).is_success for url in urls)
        scale = [sys.executable, "-m", "local.scale", "--state", str(states[1]), "--temporal", "0"]
        subprocess.run(scale, check=True, timeout=60, stdout=subprocess.DEVNULL)
        commands = [process.command for process in processes.naming(states[1])]
        assert not any("workers.temporal_upscale" in command for command in commands), "a stage scales alone"
        assert any("workers.spatial_upscale" in command for command in commands)
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
