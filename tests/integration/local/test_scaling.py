"""Services are added and retired while others run; orders come over the cloud's socket."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.control import Control, OrderRefusedError, address, tell
from local.scale import main
from local.supervisor import Service, Supervisor
from shared.contracts.vocabulary import Stage

POLITE = """
import pathlib, signal, sys
told = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: (told.write_text("left"), sys.exit(0)))
told.write_text("here")
signal.pause()
"""


def service(name: str, folder: Path) -> Service:
    told = folder / name
    argv = (sys.executable, "-c", POLITE, str(told))

    async def ready() -> bool:
        return told.exists() and told.read_text() == "here"

    return Service(name, argv, {"PATH": os.environ["PATH"]}, ready, stop_signal=signal.SIGKILL)


async def test_a_retired_service_is_asked_to_leave_and_the_others_stay(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    try:
        await supervisor.start(service("one", tmp_path), service("two", tmp_path))
        await supervisor.start(service("three", tmp_path))
        stays = supervisor.pid("two")
        await supervisor.retire("one", "three", "nobody")
        assert [(tmp_path / name).read_text() for name in ("one", "two", "three")] == ["left", "here", "left"]
        assert supervisor.pid("one") is None
        assert supervisor.pid("two") == stays
        await supervisor.start(service("one", tmp_path))
        assert supervisor.pid("one") is not None
    finally:
        await supervisor.stop()
    assert (tmp_path / "two").read_text() == "here", "the stop of a whole cloud is by each service's own signal"
    assert supervisor.pid("two") is None


class Crew:
    """Stands where the cloud stands: what it was told, and what it has."""

    def __init__(self) -> None:
        self.now = dict.fromkeys(Stage, 1)

    async def scale(self, wanted: Mapping[Stage, int]) -> dict[Stage, int]:
        self.now.update(wanted)
        return self.now


async def test_orders_are_carried_out_and_wrong_ones_refused(tmp_path: Path) -> None:
    crew = Crew()
    control = Control(tmp_path, crew.scale)
    await control.open()
    try:
        assert address(tmp_path).stat().st_mode & 0o777 == 0o600
        told = await tell(tmp_path, {Stage.SPATIAL_UPSCALE: 4})
        assert told == {Stage.BASE_GEN: 1, Stage.SPATIAL_UPSCALE: 4, Stage.TEMPORAL_UPSCALE: 1}
        reader, writer = await asyncio.open_unix_connection(address(tmp_path))
        writer.write(b'{"workers": {"spatial_upscale": 100000, "refine": 1}}\n')
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        assert b'"error"' in answer
        assert crew.now[Stage.SPATIAL_UPSCALE] == 4
    finally:
        await control.close()
    with pytest.raises(OrderRefusedError, match="no cloud answers"):
        await tell(tmp_path, {})


async def test_the_socket_of_a_killed_cloud_does_not_stop_the_next_one(tmp_path: Path) -> None:
    first, second = Control(tmp_path, Crew().scale), Control(tmp_path, Crew().scale)
    await first.open()
    await second.open()
    assert await tell(tmp_path, {})
    await second.close()
    await first.close()


async def test_a_long_state_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    control = Control(deep, Crew().scale)
    await control.open()
    try:
        assert len(os.fsencode(address(deep))) < 100
        assert await tell(deep, {})
    finally:
        await control.close()


def test_without_a_cloud_the_command_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spatial", "2", "--state", str(tmp_path)]) == 1
    assert "make up" in capsys.readouterr().err
    assert main(["--spatial", "-2", "--state", str(tmp_path)]) == 1
