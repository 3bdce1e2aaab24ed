"""64 MB up and down through `ArtifactStore` and through boto3 alone, each with its best settings, on a server apart."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

from boto3.s3.transfer import TransferConfig

from bench.rows import Row
from local.cloud import Cloud
from local.layout import Options
from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect
from shared.artifacts.settings import MIB

BYTES = 64_000_000
ROUNDS = 15
MUST = 0.95
SETTINGS = ((64, 1), (32, 2), (16, 4))
"""MiB of a part, and parts at once. The last are what `S3Settings` come to by default, for a network; a server on the
same two cores is quickest in few parts, or in one (tried: parts of 5 to 64 MiB, 1 to 8 at once)."""

Ways = dict[tuple[int, int], Callable[[], object]]


async def measure() -> list[Row]:
    """Medians of rounds in turns. Ours hashes every byte and has the server check it; the raw transfer does not."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(state=Path(folder), port=0, workers={})
        async with Cloud(options) as cloud:
            values = {name.removeprefix("S3_").lower(): value for name, value in cloud.facts.s3.items()}
            return await asyncio.to_thread(_compared, S3Settings.model_validate(values), Path(folder))


def _compared(settings: S3Settings, folder: Path) -> list[Row]:
    source, target, key, kind = folder / "source", folder / "target", "latents/bench", "application/octet-stream"
    source.write_bytes(os.urandom(BYTES))
    ways: dict[str, Ways] = {name: {} for name in ("ours up", "raw up", "ours down", "raw down")}
    with ExitStack() as stack:
        for parts in SETTINGS:
            size, at_once = parts[0] * MIB, parts[1]
            given = settings.model_copy(update={"part_bytes": size, "concurrency": at_once})
            how = TransferConfig(multipart_threshold=size, multipart_chunksize=size, max_concurrency=at_once)
            store, raw = stack.enter_context(ArtifactStore(given)), connect(given)
            stack.callback(raw.close)
            made = store.upload(source, key, media_type=kind)
            there, back = (str(source), settings.bucket, key), (settings.bucket, key, str(target))
            ways["ours up"][parts] = partial(store.upload, source, key, media_type=kind)
            ways["raw up"][parts] = partial(raw.upload_file, *there, Config=how)
            ways["ours down"][parts] = partial(store.download, made, target)
            ways["raw down"][parts] = partial(raw.download_file, *back, Config=how)
        seconds = _in_turns(ways, target)
    return [_row(direction, seconds[f"ours {direction}"], seconds[f"raw {direction}"]) for direction in ("up", "down")]


def _in_turns(ways: dict[str, Ways], target: Path) -> dict[str, dict[tuple[int, int], list[float]]]:
    seconds: dict[str, dict[tuple[int, int], list[float]]] = {name: {} for name in ways}
    for _ in range(ROUNDS):
        for parts, (name, of) in product(SETTINGS, ways.items()):  # ours and raw right after each other
            target.unlink(missing_ok=True)
            began = time.perf_counter()
            of[parts]()
            seconds[name].setdefault(parts, []).append(time.perf_counter() - began)
    return seconds


def _row(direction: str, ours: dict[tuple[int, int], list[float]], raw: dict[tuple[int, int], list[float]]) -> Row:
    (mine, my_parts), (alone, its_parts) = _best(ours), _best(raw)
    return Row(
        f"artifact exchange: 64 MB {direction}",
        f"at least {MUST} of raw boto3, each with its best settings",
        f"{alone / mine:.2f} ({mine:.2f} s in {my_parts}, raw {alone:.2f} s in {its_parts})",
        alone / mine >= MUST,
    )


def _best(of: dict[tuple[int, int], list[float]]) -> tuple[float, str]:
    """The least median, and how its parts were."""
    seconds, (size, at_once) = min((median(taken), parts) for parts, taken in of.items())
    return seconds, f"parts of {size} MiB, {at_once} at once"
