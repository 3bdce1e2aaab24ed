"""The life of one job on a GPU, the same for every stage."""

from shared.worker.boot import boot
from shared.worker.run import run_stage
from shared.worker.worker import Worker

__all__ = ["Worker", "boot", "run_stage"]
