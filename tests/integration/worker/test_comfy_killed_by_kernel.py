"""A real kill by the kernel's OOM killer, where this machine lets us make a memory cgroup."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.vocabulary import Stage
from shared.worker.engine import Engine
from tests.integration.worker.conftest import Stages
from tests.integration.worker.troubled_comfy import FILE
from workers.base_gen.stage import STAGE as BASE

LIMIT = 700 << 20  # bytes: twice what the preview engine takes
PLACES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
)


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    for place, limit, swap in PLACES:
        made = place / f"ltx2-test-{uuid4().hex[:8]}"
        try:
            made.mkdir()
            (made / limit).write_text(str(LIMIT))
        except OSError:
            made.rmdir() if made.exists() else None
            continue
        if (made / swap).exists():
            (made / swap).write_text("0" if swap.endswith("swap.max") else str(LIMIT))
        yield made
        made.rmdir()
        return
    pytest.skip("no right to make a memory cgroup here")


async def test_a_comfyui_that_the_kernel_killed_ran_out_of_memory_and_the_next_job_works(
    stages: Stages, small_cgroup: Path, tmp_path: Path
) -> None:
    base = tmp_path / "killed"
    base.mkdir()
    (base / FILE).write_text('{"eat_memory": 1}')
    enter = f'sh -c \'echo $$ > {small_cgroup}/cgroup.procs && exec "$0" "$@"\''
    command = f"{enter} {sys.executable} {Path(__file__).with_name('troubled_comfy.py')}"
    engine = Engine(ComfyProcess(ComfySettings(command=command, base_dir=base)))
    stages.engine = engine
    try:
        async with asyncio.timeout(120):
            answer = await stages.run(BASE, prompt="a fox", resolution="draft", duration=1, ending="latents")
            assert answer["refresh_worker"] is True
            assert '"code":"out_of_memory"' in answer["error"]
            assert "the kernel killed ComfyUI" in answer["error"]
            following = await stages.ok(BASE, prompt="a fox", resolution="draft", duration=1, ending="latents")
        assert following.stage is Stage.BASE_GEN
    finally:
        await engine.close()
