"""The life of one job on a GPU, the same for every stage."""

from shared.worker.boot import boot
from shared.worker.run import Worker, run_stage

__all__ = ["Worker", "boot", "run_stage"]
