"""`python -m local.scale --spatial 4`: other numbers of workers for the cloud that runs, stage by stage."""

import argparse
import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from local.control import OrderRefusedError, tell
from local.layout import STATE
from shared.contracts.vocabulary import Stage

FLAGS = {"base_gen": Stage.BASE_GEN, "spatial": Stage.SPATIAL_UPSCALE, "temporal": Stage.TEMPORAL_UPSCALE}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.scale", description=__doc__)
    for name in FLAGS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the cloud")
    given = parser.parse_args(arguments)
    wanted = {stage: count for name, stage in FLAGS.items() if (count := getattr(given, name)) is not None}
    try:
        now = asyncio.run(tell(given.state.resolve(), wanted))
    except (OrderRefusedError, ValidationError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False)
        return 1
    table = Table("stage", "workers")
    for stage, count in now.items():
        table.add_row(stage, str(count))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
