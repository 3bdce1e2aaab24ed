"""Every file of a list into ComfyUI's models folder: linked where it lies already, else fetched, else split."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from models import hub, places, split
from models.answers import Address, Seen
from models.download import Download, claimed, disk_trouble, expect
from models.part import Part
from models.progress import Progress
from models.settings import ModelsSettings
from models.web import Web
from shared import models
from shared.errors import FatalError, MivoError, TransientError
from shared.models import ModelFile

log = structlog.get_logger(__name__)

FILES_AT_ONCE = 16


@dataclass(frozen=True)
class Job:
    """A file that has to come over the network."""

    file: ModelFile
    target: Path
    addresses: tuple[Address, ...]
    """Of the file itself; the first is asked first."""
    checkpoint: Path | Address | None = None
    """What it can be cut out of, if none of them has it."""
    seen: Seen | None = None


def fetch(files: Sequence[ModelFile], root: Path, settings: ModelsSettings, progress: Progress) -> None:
    """Have all `files` below `root`.

    Everything is asked for first and the disk is measured, so that what cannot work fails before gigabytes have come.
    Raises FatalError model_missing that names every file and what to do, or TransientError when only the network is
    to blame; what has come stays, and the next run goes on from there.
    """
    try:
        _fetch(files, root, settings, progress)
    except OSError as error:
        raise disk_trouble(error, Path(error.filename or root)) from error


def _fetch(files: Sequence[ModelFile], root: Path, settings: ModelsSettings, progress: Progress) -> None:
    with Web(settings) as web, progress:
        jobs = [job for file in files if (job := _here(file, root, settings)) is not None]
        jobs = _each(jobs, lambda job: _seen(web, job))
        require_room(root, jobs, settings)
        with ThreadPoolExecutor(settings.connections, "segment") as segments:
            download = Download(web, segments, progress)
            try:
                _each(jobs, lambda job: _bring(web, download, job))
            except BaseException:
                web.stop.set()
                raise


def _here(file: ModelFile, root: Path, settings: ModelsSettings) -> Job | None:
    """None when the file is in its place, or can be linked there."""
    target = places.in_target(root, file)
    why = places.trouble(target, file, settings.check)
    if why is None:
        return None
    if target.exists():
        log.warning("model_unusable", path=str(target), why=why)
    found = places.elsewhere(file, settings)
    if found is not None and found.absolute() != target.absolute():
        places.link(found, target)
        log.info("model_linked", file=file.name, to=str(found))
        return None
    mirrored = hub.on_mirror(file, settings)
    mirror = (mirrored,) if mirrored else ()
    if file.split_from is None:
        return Job(file, target, (hub.on_hub(file, settings), *mirror))
    whole = models.file(file.split_from)
    near = places.in_target(root, whole)
    known = near if places.trouble(near, whole, settings.check) is None else places.elsewhere(whole, settings)
    return Job(file, target, mirror, known or hub.on_hub(whole, settings))


def _seen(web: Web, job: Job) -> Job:
    """What the first server that has the file says of it; its other addresses stay as a reserve."""
    trouble: list[MivoError] = []
    for number, address in enumerate(job.addresses):
        try:
            seen = web.look(address)
            expect(job.file, seen, address)
        except (FatalError, TransientError) as error:
            trouble.append(error)
            continue
        return Job(job.file, job.target, job.addresses[number:], job.checkpoint, seen)
    match job.checkpoint:
        case None:
            raise _all_of(trouble)
        case Address():
            web.look(job.checkpoint)
        case Path():
            pass
    return Job(job.file, job.target, (), job.checkpoint)


def require_room(root: Path, jobs: Sequence[Job], settings: ModelsSettings) -> None:
    """FatalError when the disk cannot hold what is still to come, and `spare_bytes` more."""
    root.mkdir(parents=True, exist_ok=True)
    coming = 0
    for job in jobs:
        begun = Part(job.target, job.seen, settings.segment_bytes).had if job.seen else 0
        coming += (job.seen.size if job.seen else job.file.size) - begun
    free = shutil.disk_usage(root).free
    if jobs and free < coming + settings.spare_bytes:
        raise FatalError(
            "model_missing",
            f"{coming / 1e9:.1f} GB are to come, and {free / 1e9:.1f} GB are free at {root} "
            f"({settings.spare_bytes / 1e9:.1f} GB stay free): give the container a larger disk, or mount a volume",
            reason="disk",
        )


def _bring(web: Web, download: Download, job: Job) -> Job:
    """From the first address that does it; under a lock, because another process may be at it."""
    trouble: list[MivoError] = []
    with claimed(job.target, web):
        if places.trouble(job.target, job.file, web.settings.check) is None:
            return job  # another process brought it while we waited
        for address in job.addresses:
            try:
                download.run(job.file, address, job.target)
            except (FatalError, TransientError) as error:
                log.warning("model_not_from_there", file=job.file.name, error=str(error))
                trouble.append(error)
            else:
                return job
        if job.checkpoint is None:
            raise _all_of(trouble)
        _split(web, job.checkpoint, job)
    return job


def _split(web: Web, checkpoint: Path | Address, job: Job) -> None:
    source: split.Source = (
        split.LocalSource(checkpoint) if isinstance(checkpoint, Path) else split.WebSource(web, checkpoint)
    )
    split.cut(source, split.read_header(source), job.file.role, job.target)


def _each(jobs: Sequence[Job], action: Callable[[Job], Job]) -> list[Job]:
    """All of them at once; when some fail, the rest still comes to its end, and every failure is told."""
    if not jobs:
        return []
    done, trouble = [], []
    with ThreadPoolExecutor(min(len(jobs), FILES_AT_ONCE), "file") as pool:
        for future in [pool.submit(action, job) for job in jobs]:
            try:
                done.append(future.result())
            except MivoError as error:
                trouble.append(error)
    if trouble:
        raise _all_of(trouble)
    return done


def _all_of(trouble: Sequence[MivoError]) -> MivoError:
    """One error that tells them all; final if one of them is."""
    if len(trouble) == 1:
        return trouble[0]
    told = "; ".join(dict.fromkeys(error.message for error in trouble))
    final = next((error for error in trouble if isinstance(error, FatalError)), None)
    if final is not None:
        return FatalError(final.code, told, **final.detail)
    return TransientError(trouble[0].code, told)
