"""From the environment to a worker; what every handler does first."""

import os
import signal

from shared import logs
from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.parent import die_with_parent
from shared.stage import StageDefinition
from shared.worker.engine import Engine
from shared.worker.settings import WorkerSettings
from shared.worker.worker import Worker


def boot(definition: StageDefinition) -> Worker:
    """Reads S3_*, COMFYUI_* and WORKER_*; ValidationError names every setting that is missing or wrong.

    In the main thread. Every process that is forked from here on dies with this one: the SDK forks a child that pings
    RunPod for ever, with the last job's id, after a kill -9 of its parent, so that the lease of that job would never
    end (facts/runpod.md section 0). Stop signals end this process within seconds (`departure.py`).
    """
    logs.configure(definition.stage)
    os.register_at_fork(after_in_child=lambda: die_with_parent(signal.SIGKILL))
    process = ComfyProcess(ComfySettings())
    worker = Worker(
        definition=definition,
        store=ArtifactStore(S3Settings()),
        engine=Engine(process),
        settings=WorkerSettings(),
    )
    worker.departure.watch(process.kill)
    return worker
