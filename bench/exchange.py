"""64 MB up and down through `ArtifactStore`, beside boto3 alone with the same settings, on a server of its own."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from boto3.s3.transfer import TransferConfig

from bench.rows import Row
from local.cloud import Cloud
from local.layout import Options
from shared.artifacts import ArtifactStore, S3Settings
from shared.artifacts.client import connect

BYTES = 64_000_000
ROUNDS = 7
MUST = 0.95


async def measure() -> list[Row]:
    """Medians of rounds in turns. Ours hashes every byte and has the server check it; the raw transfer does not."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(state=Path(folder), port=0, workers={})
        async with Cloud(options) as cloud:
            values = {name.removeprefix("S3_").lower(): value for name, value in cloud.facts.s3.items()}
            return await asyncio.to_thread(_compared, S3Settings.model_validate(values), Path(folder))


def _compared(settings: S3Settings, folder: Path) -> list[Row]:
    source, target = folder / "source", folder / "target"
    source.write_bytes(os.urandom(BYTES))
    raw = connect(settings)
    how = TransferConfig(
        multipart_threshold=settings.part_bytes,
        multipart_chunksize=settings.part_bytes,
        max_concurrency=settings.concurrency,
    )
    with ArtifactStore(settings) as store:
        made = store.upload(source, "latents/bench/ours", media_type="application/octet-stream")
        ways: dict[str, Callable[[], object]] = {
            "ours up": lambda: store.upload(source, "latents/bench/ours", media_type="application/octet-stream"),
            "raw up": lambda: raw.upload_file(str(source), settings.bucket, "latents/bench/raw", Config=how),
            "ours down": lambda: store.download(made, target),
            "raw down": lambda: raw.download_file(settings.bucket, "latents/bench/raw", str(target), Config=how),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                target.unlink(missing_ok=True)
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
    rows = []
    for direction in ("up", "down"):
        ours, alone = median(seconds[f"ours {direction}"]), median(seconds[f"raw {direction}"])
        rows.append(
            Row(
                f"artifact exchange: 64 MB {direction}",
                f"at least {MUST} of raw boto3",
                f"{alone / ours:.2f} ({ours:.2f} s, raw {alone:.2f} s)",
                alone / ours >= MUST,
            )
        )
    return rows
