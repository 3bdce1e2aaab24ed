"""`python -m tests.comfyui.gpu_check`: the first run on a GPU with the released weights, in one go, and its report.

ComfyUI is named as for a worker (COMFYUI_DIR with COMFYUI_PYTHON and COMFYUI_BASE_DIR, or COMFYUI_URL). One
text-to-video and one image-to-video of each quality run stage by stage, as drafts, as 720p of 10 seconds and as 1080p
of 20, which needs the most memory; and one 720p of each option (camera, detailer, each control with its own
preprocessor). All through the real worker code and a local S3. Every video is probed and kept, because only eyes and
ears can say whether it is good. `--preview` runs it on the preview engine, to try the command itself.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from shared import geometry
from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import StageReply
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, Resolution
from shared.errors import TransientError
from shared.stage import StageDefinition
from tests.comfyui import servers
from tests.comfyui.servers import Server
from tests.comfyui.stages import Stages
from tests.fixtures_s3 import running_seaweed
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

CHAIN: tuple[StageDefinition, ...] = (BASE, SPATIAL, TEMPORAL)
PROMPT = "A lighthouse in a storm at dusk, waves breaking on the rocks below, thunder rolling over the sea."
SECONDS = {Resolution.DRAFT: 1, Resolution.HD: 10, Resolution.FULL_HD: 20}
PLAIN = "plain"
DETAILER = "detailer"
"""Told to the spatial stage."""
OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "dolly_in": {"camera": Camera.DOLLY_IN},
    DETAILER: {},
    **{control: {"camera": Camera.NONE, "control": {"type": control}} for control in ControlType},
}
POLL_SECONDS = 1.0
HEAD = """# First run on a GPU

Written by `python -m tests.comfyui.gpu_check` on {date}. ComfyUI {comfyui}, PyTorch {pytorch}, {device} with \
{memory:.0f} GB. The videos lie in `{folder}`: look at them and listen to them, no probe can.

VRAM is the most that `/system_stats` showed in use, asked once a second; short peaks between may be higher.

| video | stage | seconds in all | in ComfyUI | VRAM, GB | result |
|---|---|---|---|---|---|
{rows}

{summary}
"""


@dataclass(frozen=True)
class Video:
    """One generation of the check."""

    resolution: Resolution
    quality: Quality
    kind: str
    option: str

    @property
    def name(self) -> str:
        plain = f"{self.resolution}-{self.quality}-{self.kind}"
        return plain if self.option == PLAIN else f"{plain}-{self.option}"


def videos(asked: argparse.Namespace) -> list[Video]:
    """Plain ones of all that was asked for; of each other option one, at 720p if it may be."""
    found = [
        Video(Resolution(resolution), Quality(quality), kind, PLAIN)
        for resolution, quality, kind in product(asked.resolutions, asked.qualities, asked.kinds)
        if PLAIN in asked.options
    ]
    resolution = Resolution.HD if Resolution.HD in asked.resolutions else Resolution(asked.resolutions[0])
    others = [option for option in asked.options if option != PLAIN]
    return found + [Video(resolution, Quality(asked.qualities[0]), asked.kinds[0], option) for option in others]


@dataclass(frozen=True)
class Row:
    """One stage run."""

    video: str
    stage: str
    seconds: float
    executing: float
    vram: float
    """GB; 0 where nothing was seen."""
    problem: str

    def line(self) -> str:
        times = f"{self.seconds:.1f} | {self.executing:.1f} | {self.vram:.1f}"
        return f"| {self.video} | {self.stage} | {times} | {self.problem or 'good'} |"


class Memory:
    """The most memory of the device in use while a block ran, in bytes."""

    def __init__(self, process: ComfyProcess) -> None:
        self._process = process
        self.peak = 0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        self.peak = 0
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _watch(self) -> None:
        async with self._process.client(request_seconds=10.0) as client:
            while True:
                with suppress(TransientError):  # busy or restarting: the run itself reports what is wrong
                    for device in (await client.system_stats())["devices"]:
                        self.peak = max(self.peak, device["vram_total"] - device["vram_free"])
                await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Check:
    """One session on one server."""

    stages: Stages
    memory: Memory
    folder: Path
    precision: Precision

    async def generation(self, video: Video) -> list[Row]:
        """All three stages, each with its video; stops at the first that fails."""
        how = {"quality": video.quality, "resolution": video.resolution, "duration": SECONDS[video.resolution]}
        asked = self.stages.asked(video.kind, prompt=PROMPT, **how, **OPTIONS[video.option])
        given: dict[str, Any] = {**asked, "precision": self.precision}
        if "control" in given:
            given["control_source"] = self.stages.input_of("video")
        rows = []
        for definition in CHAIN:
            async with self.memory.watched():
                answer = await self.stages.run(definition, **given)
            if "error" in answer:
                rows.append(Row(video.name, definition.stage, 0, 0, self.memory.peak / 1e9, answer["error"]))
                break
            reply = StageReply.model_validate(answer)
            problem = await self._look(reply, definition, video.resolution, f"{video.name}-{definition.stage}.mp4")
            timings = reply.timings
            rows.append(
                Row(video.name, definition.stage, timings["total"], timings["execute"], self.memory.peak / 1e9, problem)
            )
            given = {"manifest": reply.manifest}
            if definition is BASE and video.option == DETAILER:
                given["detailer"] = True
        for row in rows:
            sys.stdout.write(row.line() + "\n")
        return rows

    async def _look(self, reply: StageReply, definition: StageDefinition, resolution: Resolution, name: str) -> str:
        """What is wrong with its video, which is kept; empty when nothing is."""
        path = self.stages.file(self.stages.manifest(reply).artifacts["video"])
        shutil.copyfile(path, self.folder / name)
        info = await self.stages.video(reply)
        size = geometry.tier(resolution, half=definition is BASE).deliver
        clip = geometry.clip(SECONDS[resolution])
        clip = clip.doubled() if definition is TEMPORAL else clip
        wanted = (size.width, size.height, clip.deliver, float(clip.fps), float(clip.seconds), True)
        found = (info.width, info.height, info.frames, float(info.fps), round(info.video_seconds, 3), info.has_audio)
        return "" if found == wanted else f"is {found}, should be {wanted}"


async def check(server: Server, folder: Path, asked: argparse.Namespace) -> tuple[list[Row], str]:
    """Every generation that was asked for; the rows, and the report."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        temporary = Path(scratch)
        with running_seaweed(temporary) as storage:
            settings = S3Settings(
                endpoint_url=storage.endpoint_url,
                bucket="gpu-check",
                access_key_id=storage.access_key_id,
                secret_access_key=storage.secret_access_key,
            )
            setup(settings)
            with ArtifactStore(settings) as store:
                try:
                    await server.look()
                    stages = Stages(store, server.engine, temporary, seed=10)
                    session = Check(stages, Memory(server.process), folder, Precision(asked.precision))
                    for video in videos(asked):
                        rows += await session.generation(video)
                finally:
                    await server.engine.close()
    return rows, report(rows, server, folder)


def report(rows: Iterable[Row], server: Server, folder: Path) -> str:
    system, (device, *_) = server.stats["system"], server.stats["devices"]
    rows = list(rows)
    bad = sum(bool(row.problem) for row in rows)
    return HEAD.format(
        date=datetime.now(UTC).date().isoformat(),
        comfyui=system["comfyui_version"],
        pytorch=system["pytorch_version"],
        device=device["name"],
        memory=device["vram_total"] / 1e9,
        folder=folder,
        rows="\n".join(row.line() for row in rows),
        summary=f"{len(rows)} stage runs, {bad} bad.",
    )


def named() -> ComfySettings:
    """The ComfyUI of the environment; a checkout has its own models and node packs unless a base directory is named."""
    given = ComfySettings()
    if given.dir is None or "base_dir" in given.model_fields_set:
        return given
    return given.model_copy(update={"base_dir": given.dir})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("gpu_check", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preview", action="store_true", help="the preview engine instead of a ComfyUI")
    parser.add_argument("--resolutions", nargs="+", default=list(SECONDS), choices=list(SECONDS))
    parser.add_argument("--qualities", nargs="+", default=list(Quality), choices=list(Quality))
    parser.add_argument("--kinds", nargs="+", default=["t2v", "i2v"], choices=["t2v", "i2v"])
    parser.add_argument("--options", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--precision", default=Precision.FP8, choices=list(Precision))
    parser.add_argument("--out", type=Path, default=Path("out/gpu-check"), help="videos and report.md")
    asked = parser.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu-check-preview-") as base:
        server = servers.preview(Path(base)) if asked.preview else Server("real", ComfyProcess(named()))
        rows, text = asyncio.run(check(server, asked.out, asked))
    (asked.out / "report.md").write_text(text, encoding="utf-8")
    sys.stdout.write(f"report: {asked.out / 'report.md'}\n")
    return 1 if any(row.problem for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
