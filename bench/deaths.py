"""`python -m bench.deaths`: what deaths cost in GPU-seconds, beside the one-worker design with the same deaths.

On demand. Each stage's engine is killed once a sixth, once half and once
five sixths through its work, which is "at a random point" with as few deaths as stand for it.
"""

import asyncio
import json
import os
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import alone, videos
from bench.chain import GPU_SECONDS, SCALE, exact
from local.cloud import Cloud
from local.layout import Options
from shared.contracts.vocabulary import Stage

SHARES = (1 / 6, 1 / 2, 5 / 6)
TRIES = 3
BEGINS = "preview: a prompt begins"
LOOK_SECONDS = 0.02


async def compared() -> tuple[float, float]:
    """GPU-seconds lost, scaled to a GPU: ours, the one worker's."""
    ours, theirs = 0.0, 0.0
    useful = sum(GPU_SECONDS.values()) * SCALE
    with tempfile.TemporaryDirectory() as folder:
        options = Options(state=Path(folder), port=0, service_times=exact(GPU_SECONDS, SCALE), gateway=alone.served())
        async with Cloud(options) as cloud:
            await alone.start(cloud)
            await alone.make(cloud, "warm", seed=0)
            logs = {stage: cloud.supervisor.log_of(cloud.worker_name(stage, 0)) for stage in Stage}
            for number, (stage, share) in enumerate((stage, share) for stage in Stage for share in SHARES):
                after = share * GPU_SECONDS[stage] * SCALE
                asked = {**videos.DRAFT, **videos.ALL_STAGES, "prompt": f"deaths {number}"}
                before = sum(_slept(log) for log in logs.values())
                _, cut = await asyncio.gather(videos.make(cloud, asked), _kill(logs[stage], 1, after))
                ours += sum(_slept(log) for log in logs.values()) - before + cut - useful
                own = cloud.supervisor.log_of(alone.NAME)
                (_, slept), cut = await asyncio.gather(
                    alone.make(cloud, f"deaths {number}", seed=number, tries=TRIES),
                    _kill(own, 1 + list(Stage).index(stage), after),
                )
                theirs += slept + cut - useful
    return ours / SCALE, theirs / SCALE


def _slept(log: Path) -> float:
    return sum(seconds for _, seconds in videos.slept(log))


async def _kill(log: Path, count: int, after: float) -> float:
    """Kill the engine of this log so many seconds into the `count`th graph from now on; the seconds it had worked."""
    offset = _size(log)
    async with asyncio.timeout(videos.SECONDS):
        while len(begun := _begun(log, offset)) < count:  # noqa: ASYNC110  another process's log has no event of ours
            await asyncio.sleep(LOOK_SECONDS)
        at = begun[count - 1]
        await asyncio.sleep(max(0.0, at + after - datetime.now(UTC).timestamp()))
    os.killpg(_engine(log), signal.SIGKILL)
    return datetime.now(UTC).timestamp() - at


def _size(log: Path) -> int:
    return log.stat().st_size


def _begun(log: Path, offset: int) -> list[float]:
    with log.open("rb") as file:
        file.seek(offset)
        lines = [line for line in file.read().splitlines() if BEGINS.encode() in line and line.endswith(b"}")]
    return [datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp() for line in lines]


def _engine(log: Path) -> int:
    started = [line for line in log.read_text(errors="replace").splitlines() if '"comfy_started"' in line]
    return int(json.loads(started[-1])["pid"])


if __name__ == "__main__":
    split, whole = asyncio.run(compared())
    Console().print(f"lost in {len(Stage) * len(SHARES)} deaths: {split:.0f} s, one worker {whole:.0f} s")
    Console().print(f"{split / whole:.2f} of the one worker's")
