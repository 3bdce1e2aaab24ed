"""What would go wrong although RunPod might take it. Pure; each finding says what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from deploy import environment
from deploy.desired import Desired, Endpoint
from deploy.plan import twins
from deploy.state import Account, VolumeState, base_name, wanted
from models.gpu import least_gigabytes
from models.selection import needed, total
from shared.contracts.vocabulary import Stage
from shared.worker.settings import WorkerSettings

PLACEHOLDER = "your-account"
GB = 10**9

IMAGE_GB = 12
"""CUDA's wheels, torch and ComfyUI (facts/ltx2.md section 5.4); page flash/configuration has the disk hold them too."""
WORK_GB = 10
"""Latents, frames and the video of one job (2 GB at most), early look, logs, and what `models fetch` spares (1 GB)."""


@dataclass(frozen=True)
class Finding:
    text: str
    blocks: bool = True
    """`apply` does nothing while there is one that does."""


def findings(desired: Desired, account: Account) -> tuple[Finding, ...]:
    """In the order in which a person would mend them."""
    return (
        *_placeholders(desired),
        *_twins(desired, account),
        *_volumes(desired, account),
        *_credential(desired, account),
        *_secrets(desired, account),
        *(finding for row in desired.endpoint for finding in _endpoint(desired, row, account)),
    )


def _endpoint(desired: Desired, row: Endpoint, account: Account) -> Iterator[Finding]:
    for text in environment.trouble({**desired.env, **row.env, **row.secrets}):
        yield Finding(f"{row.key}: {text}")
    yield from disk(desired, row)
    if row.vram_gb < (least := least_gigabytes(row.stage, desired.worker(row))):
        yield Finding(f"{row.key}: vram_gb is {row.vram_gb}, and its worker refuses to start with less than {least:g}")
    yield from _gpus(row, account)


def weights(desired: Desired, row: Endpoint) -> float:
    """GB of the files that its stage reads, by the WORKER_* variables that it gets."""
    return _bytes(row.stage, desired.worker(row)) / GB


@cache
def _bytes(stage: Stage, worker: WorkerSettings) -> int:
    """It takes every input that the stage may get, which is some work, and asked for more than once."""
    return total(needed([stage], worker)).bytes


def disk(desired: Desired, row: Endpoint) -> Iterator[Finding]:
    """Weights lie on the container disk, whether they come at start or in the image; or on the volume."""
    there = weights(desired, row)
    need = IMAGE_GB + WORK_GB + (0 if row.volumes else there)
    if row.container_disk_gb < need:
        yield Finding(
            f"{row.key}: container_disk_gb is {row.container_disk_gb}, and needs {need:.0f} "
            f"(weights {there:.0f}, image {IMAGE_GB}, work {WORK_GB}): raise it, or narrow WORKER_OPTIONS or "
            "WORKER_QUALITIES in env"
        )


def _placeholders(desired: Desired) -> Iterator[Finding]:
    given = {"release.registry": desired.release.registry} | {
        f"env.{name}": value for name, value in desired.env.items()
    }
    for row in desired.endpoint:
        given |= {f"{row.key}.env.{name}": value for name, value in row.env.items()}
    for name, value in given.items():
        if PLACEHOLDER in value:
            yield Finding(f"{name} still says {PLACEHOLDER!r}: put your own there")


def _twins(desired: Desired, account: Account) -> Iterator[Finding]:
    endpoints, volumes = wanted(desired)
    for names, seen, what in ((endpoints, account.endpoints, "endpoints"), (volumes, account.volumes, "volumes")):
        for name in twins(names, seen):
            ids = ", ".join(f"{row.id} ({row.created_at})" for row in seen if base_name(row.name) == name)
            yield Finding(f"several {what} are called {name}: {ids}; delete or rename all but the one that is in use")


def _volumes(desired: Desired, account: Account) -> Iterator[Finding]:
    by_name = {row.name: row.state for row in account.volumes}
    sizes = {volume.name: volume.size_gb for volume in desired.volume}
    for volume in desired.volume:
        now = by_name.get(volume.name)
        if not isinstance(now, VolumeState):
            continue
        if now.size > volume.size_gb:
            yield Finding(f"{volume.name} has {now.size} GB and cannot shrink to {volume.size_gb}: say {now.size}")
        if now.data_center != volume.data_center or volume.type not in {None, now.type}:
            yield Finding(
                f"{volume.name} is {now.type} in {now.data_center} and cannot become "
                f"{volume.type or now.type} in {volume.data_center}: name another volume, fill it, then change over"
            )
    for row in desired.endpoint:
        for name in row.volumes:
            if sizes[name] < (need := weights(desired, row)):
                yield Finding(f"{row.key}: volume {name} has {sizes[name]} GB, and the weights need {need:.0f}")


def _credential(desired: Desired, account: Account) -> Iterator[Finding]:
    wanted_one = desired.release.credential
    found = [name for name, _ in account.credentials if name == wanted_one]
    if wanted_one is not None and len(found) != 1:
        what = "several registry credentials are" if found else "no registry credential is"
        yield Finding(f"{what} called {wanted_one!r}: look into RunPod's console, Settings, Container Registry Auth")


def _secrets(desired: Desired, account: Account) -> Iterator[Finding]:
    asked = sorted({secret for row in desired.endpoint for secret in row.secrets.values()})
    if account.secrets is None:
        yield Finding(f"the API key may not list secrets: see yourself that there are {', '.join(asked)}", blocks=False)
        return
    for name in asked:
        if name not in account.secrets:
            yield Finding(f"no secret is called {name}: create it in RunPod's console, Secrets")


def _gpus(row: Endpoint, account: Account) -> Iterator[Finding]:
    in_pools = [gpu for gpu in account.gpus if gpu.pool in row.gpu_pools]
    for pool in row.gpu_pools:
        if pool not in {gpu.pool for gpu in in_pools}:
            known = ", ".join(sorted({gpu.pool for gpu in account.gpus if gpu.pool}))
            yield Finding(f"{row.key}: RunPod has no GPU pool {pool}; it has {known}")
    for name in row.excluded_gpus:
        if name not in {gpu.id for gpu in in_pools}:
            yield Finding(f"{row.key}: {name!r} is in none of its gpu_pools: take it out of excluded_gpus")
    left = [gpu for gpu in in_pools if gpu.id not in row.excluded_gpus]
    if in_pools and not left:
        yield Finding(f"{row.key}: excluded_gpus leaves no GPU")
    for gpu in left:
        if gpu.memory < row.vram_gb:
            yield Finding(
                f"{row.key}: {gpu.id!r} in {gpu.pool} has {gpu.memory} GB, and {row.vram_gb} are needed: "
                "add it to excluded_gpus"
            )
