"""One run of ffmpeg or ffprobe: with a deadline, and gone when nobody waits for it any more."""

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ffmpeg

from shared.errors import CapacityError, FatalError, TransientError

EXACT_COLOURS = "accurate_rnd+full_chroma_int+full_chroma_inp"
"""Flags of swscale, besides its kernel. By its default it rounds so coarsely that a change of the colour matrix alone
costs 3 dB of PSNR."""
TOLD = 300  # characters of what ffmpeg says that go into an error


@dataclass(frozen=True)
class Finished:
    code: int
    output: bytes
    said: str
    """The end of stderr."""


async def run(argv: Sequence[str], *, timeout: float) -> Finished:  # noqa: ASYNC109  ends the process too
    """Run it to its end. Killed at the deadline (TransientError execution_timeout) and on cancellation.

    CapacityError disk_full when it says that it could not write.

    It stays in our process group: where the whole group is killed, it goes with us.
    """
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    except FileNotFoundError as error:
        raise FatalError("internal", f"{argv[0]} is not installed; install ffmpeg") from error
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise TransientError("execution_timeout", f"{argv[0]} took more than {timeout:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = errors.decode(errors="replace").strip()[-TOLD:]
    if process.returncode and os.strerror(errno.ENOSPC) in said:
        raise CapacityError("disk_full", f"{argv[0]} found the disk full")
    return Finished(code=int(process.returncode or 0), output=output, said=said)


def argv_of(output: Any, *options: str) -> list[str]:
    """The command line of an ffmpeg-python output; `options` come before its inputs."""
    argv: list[str] = ffmpeg.compile(output, overwrite_output=True)
    return [argv[0], "-v", "error", "-nostdin", *options, *argv[1:]]


def local(path: object) -> str:
    """A path as ffmpeg takes it for a path, whatever its name: `a:b` would be a protocol, `-a` an option."""
    return f"file:{path}"
