import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.errors import TransientError
from tests.integration.comfy.scripted_comfy import ScriptedComfy
from tests.waiting import wait_for

SCRIPTED = f"{sys.executable} {Path(__file__).with_name('scripted_comfy.py')}"
GRAPH = {"1": {"class_type": "SaveLatent", "inputs": {}, "_meta": {"title": "Save"}}}


def read_json(path: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(Path(path).read_text())
    return content


def settings(tmp_path: Path, command: str = SCRIPTED, ready_seconds: float = 20.0) -> ComfySettings:
    return ComfySettings(command=command, base_dir=tmp_path / "base", ready_seconds=ready_seconds)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ComfyProcess]:
    made = ComfyProcess(settings(tmp_path))
    yield made
    await made.stop()


async def test_it_starts_once_and_stops(process: ComfyProcess, tmp_path: Path) -> None:
    assert not process.alive()
    await process.start()
    url = process.base_url
    await process.start()
    assert process.base_url == url
    assert process.alive()
    async with process.client() as client:
        argv = (await client.system_stats())["system"]["argv"]
    assert argv[argv.index("--listen") + 1] == "127.0.0.1"
    assert argv[argv.index("--preview-method") + 1] == "none"
    assert "--disable-metadata" in argv
    mapping = read_json(argv[argv.index("--extra-model-paths-config") + 1])
    base = tmp_path / "base"
    assert mapping["mivo"] == {"base_path": str(base / "input"), "is_default": True, "embeddings": "conditioning"}
    assert mapping["mivo_nodes"] == {"custom_nodes": str(Path(__file__).parents[3] / "workers" / "comfy_nodes")}
    assert (base / "input" / "conditioning").is_dir()
    await process.stop()
    assert not process.alive()


async def test_suspicious_lines_are_kept_after_a_mark_without_colours_or_harmless_ones(process: ComfyProcess) -> None:
    await process.start()
    assert process.warnings_since(0) == ("[WARNING] lora key not loaded: before anything ran",)
    assert process.warnings_since(process.mark()) == ()


async def test_a_death_in_the_middle_of_a_run_is_noticed_at_once(process: ComfyProcess) -> None:
    await process.start()
    began = time.monotonic()
    async with process.client() as client:
        with pytest.raises(TransientError, match="comfy_crashed"):
            await client.run(GRAPH, prompt_id=str(uuid4()), deadline_seconds=60.0)
    assert time.monotonic() - began < 5.0
    assert not process.alive()
    await process.restart()
    assert process.alive()


async def test_a_command_that_ends_at_once_is_a_crash(tmp_path: Path) -> None:
    process = ComfyProcess(settings(tmp_path, f"{sys.executable} -c raise\\ SystemExit(3)"))
    began = time.monotonic()
    with pytest.raises(TransientError, match="comfy_crashed"):
        await process.start()
    assert time.monotonic() - began < 10.0


async def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    stubborn = f"{sys.executable} -c '__import__(\"threading\").Event().wait()'"
    process = ComfyProcess(settings(tmp_path, stubborn, 1.0))
    with pytest.raises(TransientError, match="comfy_unreachable"):
        await process.start()
    assert not process.alive()


async def test_stopping_ends_the_whole_group_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = tmp_path / "stubborn.py"
    code.write_text(
        "import os, signal, subprocess, sys, threading\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"sys.argv[0] = {SCRIPTED.split()[1]!r}\n"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    process = ComfyProcess(settings(tmp_path, f"{sys.executable} {code}"))
    await process.start()
    leader, child = map(int, pids.read_text().split())
    await process.stop(grace_seconds=0.3)
    wait_for(lambda: not running(leader) and not running(child))


def test_kill_9_of_the_worker_leaves_no_child(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys, threading\n"
        "from pathlib import Path\n"
        "from shared.comfy.process import ComfyProcess\n"
        "from shared.comfy.settings import ComfySettings\n"
        "async def main():\n"
        "    process = ComfyProcess(ComfySettings())\n"
        "    await process.start()\n"
        "    Path(sys.argv[1]).write_text(str(process._process.pid))\n"
        "    threading.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    pid = tmp_path / "pid"
    root = Path(__file__).parents[3]
    given = {"COMFYUI_COMMAND": SCRIPTED, "COMFYUI_BASE_DIR": str(tmp_path / "base"), "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", code, str(pid)], env={**os.environ, **given}) as worker:
        try:
            wait_for(lambda: pid.exists() and pid.read_text() != "")
            child = int(pid.read_text())
            assert running(child)
        finally:
            worker.send_signal(signal.SIGKILL)
    wait_for(lambda: not running(child))


async def test_an_attached_server_is_probed_and_left_alone(comfy: ScriptedComfy) -> None:
    process = ComfyProcess(ComfySettings.model_validate({"url": comfy.url, "ready_seconds": 5.0}))
    await process.start()
    assert process.attached
    assert process.base_dir is None
    assert process.base_url == comfy.url
    await process.restart()
    await process.stop()
    assert process.alive()
    comfy.end()
    assert not process.alive()


@pytest.mark.parametrize("given", [{}, {"url": "http://127.0.0.1:8188", "command": "x"}])
def test_settings_want_exactly_one_place(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one of COMFYUI_URL, COMFYUI_DIR and COMFYUI_COMMAND"):
        ComfySettings.model_validate(given)


def test_a_checkout_is_started_as_main_py(tmp_path: Path) -> None:
    assert ComfySettings(dir=tmp_path, python="python3").argv == ["python3", "main.py"]


async def test_threads_of_ended_processes_end(process: ComfyProcess) -> None:
    others = set(threading.enumerate())  # of servers that other tests of this process share
    await process.start()
    readers = [thread for thread in threading.enumerate() if thread not in others and thread.name == "comfy-log"]
    assert len(readers) == 1
    await process.stop()
    assert not readers[0].is_alive()


def running(pid: int) -> bool:
    """Whether a process is there and no zombie (field 3 of proc_pid_stat(5), after the name in brackets)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
