"""From the environment to a worker; what every handler does first."""

import ctypes
import os
import signal

from shared import logs
from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.stage import StageDefinition
from shared.worker.engine import Engine
from shared.worker.run import Worker

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def boot(definition: StageDefinition) -> Worker:
    """Reads S3_* and COMFYUI_*; ValidationError names every setting that is missing or wrong."""
    logs.configure(definition.stage)
    forked_children_die_with_us()
    return Worker(
        definition=definition,
        store=ArtifactStore(S3Settings()),
        engine=Engine(ComfyProcess(ComfySettings())),
    )


def forked_children_die_with_us() -> None:
    """The SDK forks a child that pings RunPod for ever, with the last job's id, after a kill -9 of this process.

    The lease of that job would never end (facts/runpod.md section 0), so the kernel has to end the child.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.register_at_fork(after_in_child=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
