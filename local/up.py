"""`python -m local.up`: the local cloud until Ctrl-C."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.cloud import Cloud
from local.layout import STATE, Options
from local.service_times import estimated
from local.supervisor import ServiceFailedError
from shared.contracts.vocabulary import Stage


def options(arguments: list[str] | None = None) -> Options:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="python -m local.up", description=__doc__)
    parser.add_argument("--base-gen", type=int, default=1, metavar="N", help="workers of base generation")
    parser.add_argument("--spatial", type=int, default=1, metavar="N", help="workers of spatial upscaling")
    parser.add_argument("--temporal", type=int, default=1, metavar="N", help="workers of temporal upscaling")
    parser.add_argument("--orchestrators", type=int, default=1, metavar="N")
    parser.add_argument("--port", type=int, default=8080, help="of the API; another one is taken when it is in use")
    parser.add_argument(
        "--service-scale",
        type=float,
        metavar="S",
        help="sleep S times as long as a GPU would compute, instead of rendering (docs/load.md)",
    )
    parser.add_argument("--state", type=Path, default=STATE, help="folder of all data and logs")
    given = parser.parse_args(arguments)
    return Options(
        state=given.state.resolve(),
        workers={
            Stage.BASE_GEN: given.base_gen,
            Stage.SPATIAL_UPSCALE: given.spatial,
            Stage.TEMPORAL_UPSCALE: given.temporal,
        },
        orchestrators=given.orchestrators,
        port=given.port,
        service_times=None if given.service_scale is None else estimated(given.service_scale),
    )


def show(cloud: Cloud, console: Console) -> None:
    """Where everything is."""
    table = Table(show_header=False, box=None)
    table.add_row("API", cloud.facts.api_url)
    table.add_row("API docs", f"{cloud.facts.api_url}/docs")
    table.add_row("studio", f"{cloud.facts.api_url}/studio")
    table.add_row("API key", cloud.facts.api_key)
    table.add_row("admin page", f"{cloud.facts.api_url}/admin")
    table.add_row("admin key", cloud.facts.admin_key)
    table.add_row("RunPod endpoints", f"{cloud.facts.runpod_base_url}/{{{', '.join(cloud.facts.endpoints.values())}}}")
    table.add_row("RunPod key", cloud.facts.runpod_key)
    table.add_row("S3", f"{cloud.facts.s3['S3_ENDPOINT_URL']}  bucket {cloud.facts.s3['S3_BUCKET']}")
    table.add_row("engine", cloud.options.engine)
    table.add_row("logs", cloud.facts.logs)
    console.print(table)


async def main(chosen: Options) -> int:
    console = Console()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        with console.status("starting the local cloud"):
            start = asyncio.create_task(_started(chosen))
            waiter = asyncio.create_task(stopped.wait())
            await asyncio.wait({start, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            return 130
        cloud = await start
    except ServiceFailedError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    try:
        show(cloud, console)
        console.print("running; Ctrl-C stops it")
        await stopped.wait()
    finally:
        console.print("stopping")
        await cloud.stop()
    return 0


async def _started(chosen: Options) -> Cloud:
    return await Cloud(chosen).__aenter__()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(options())))
