"""`python -m local.demo`: starts the local cloud and makes two videos into out/.

One from a prompt alone, through both upscalers; one from a picture that the demo draws itself.
"""

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from local.cloud import Cloud
from local.layout import Options
from local.picture import lighthouse
from local.supervisor import ServiceFailedError
from local.up import show
from shared import media

OUT = Path("out")
STATE = Path(".local/demo")
FINAL = {"succeeded", "failed", "canceled"}
DEADLINE = 900.0  # seconds for one video; on two cores it takes about one minute

T2V = {
    "prompt": "A lighthouse on a cliff at dusk; waves break over the rocks, gulls call, the beam sweeps the fog.",
    "camera": "dolly_in",
    "spatial_upscale": True,
    "temporal_upscale": True,
    "seed": 7,
}
I2V = {
    "prompt": "The sun sets behind the lighthouse, the sea glitters, a ship's horn sounds far away.",
    "camera": "static",
    "spatial_upscale": True,
    "temporal_upscale": False,
    "seed": 7,
}


@dataclass(frozen=True)
class Made:
    name: str
    generation: dict[str, Any]
    video: Path
    poster: Path


class DemoFailedError(Exception):
    """A generation of the demo did not succeed."""


async def main() -> int:
    console = Console()
    task = asyncio.ensure_future(_demo(console))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        console.print("stopped; nothing is left running")
        return 130
    except (ServiceFailedError, DemoFailedError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


async def _demo(console: Console) -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / "input.png").write_bytes(lighthouse())
    with console.status("starting the local cloud: Postgres, S3, RunPod gateway, three workers, orchestrator"):
        cloud = await Cloud(Options(state=STATE.resolve())).__aenter__()
    try:
        show(cloud, console)
        headers = {"Authorization": f"Bearer {cloud.facts.api_key}"}
        async with httpx.AsyncClient(base_url=cloud.facts.api_url, headers=headers, timeout=30) as api:
            upload_id = await _upload(api, OUT / "input.png")
            with _bars(console) as bars:
                made = await asyncio.gather(
                    _make(api, bars, "text-to-video", T2V),
                    _make(api, bars, "image-to-video", {**I2V, "upload_id": upload_id}),
                )
        for one in made:
            await _report(console, one)
        console.print("\nThe cloud stops now; `make up` starts one that stays, with its API docs under /docs.")
    finally:
        await cloud.stop()


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.fields[video]:>15}"),
        TextColumn("{task.description:<17}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[state]:<10}"),
        TimeElapsedColumn(),
        console=console,
    )


async def _upload(api: httpx.AsyncClient, path: Path) -> str:
    body = path.read_bytes()
    answer = (await api.post("/api/uploads", json={"media_type": "image/png", "bytes": len(body)})).raise_for_status()
    slot = answer.json()
    async with httpx.AsyncClient(timeout=30, trust_env=False) as storage:
        (await storage.put(slot["url"], content=body, headers=slot["headers"])).raise_for_status()
    return str(slot["upload_id"])


async def _make(api: httpx.AsyncClient, bars: Progress, name: str, request: dict[str, Any]) -> Made:
    created = (await api.post("/api/generations", json=request)).raise_for_status().json()
    rows = {
        step["stage"]: bars.add_task(step["stage"], total=1.0, video=name, state="waiting", start=False)
        for step in created["plan"]
    }
    async with asyncio.timeout(DEADLINE):
        while True:
            generation = (await api.get(f"/api/generations/{created['id']}")).raise_for_status().json()
            _draw(bars, rows, generation["stages"])
            if generation["state"] in FINAL:
                break
            await asyncio.sleep(0.3)
    if generation["state"] != "succeeded":
        raise DemoFailedError(f"{name} ended as {generation['state']}: {generation.get('error')}")
    result = generation["result"]
    return Made(
        name=name,
        generation=generation,
        video=await _download(result["video_url"], OUT / f"{name}.mp4"),
        poster=await _download(result["poster_url"], OUT / f"{name}.jpg"),
    )


def _draw(bars: Progress, rows: dict[str, TaskID], runs: list[dict[str, Any]]) -> None:
    for run in runs:
        row = rows[run["stage"]]
        if run["state"] in {"submitted", "running"}:
            bars.start_task(row)
        whole = run["state"] == "succeeded"
        bars.update(
            row, completed=1.0 if whole else run["fraction"], state="reused" if run.get("reused") else run["state"]
        )
        if whole:
            bars.stop_task(row)


async def _download(url: str, path: Path) -> Path:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as storage, storage.stream("GET", url) as answer:
        answer.raise_for_status()
        with path.open("wb") as file:
            async for chunk in answer.aiter_bytes():
                file.write(chunk)
    return path


async def _report(console: Console, made: Made) -> None:
    found = await media.probe(made.video)
    table = Table(title=f"{made.name}: {made.video}", title_justify="left", show_header=False)
    table.add_row("picture", f"{found.width}x{found.height}, {found.frames} frames, {float(found.fps):g} fps")
    table.add_row("length", f"{found.seconds:.3f} s")
    table.add_row("sound", f"{found.sample_rate} Hz" if found.has_audio else "none")
    table.add_row("credits", str(made.generation["credits"]))
    for run in made.generation["stages"]:
        spent = sum(run.get("timings", {}).values())
        done = "reused" if run.get("reused") else f"{spent:.1f} s"
        table.add_row(run["stage"], f"{done}, attempt {run['attempt']}")
    table.add_row("poster", str(made.poster))
    console.print(table)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
