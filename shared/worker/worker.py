"""One worker process: what its jobs share, and whether it is fit for them."""

from dataclasses import dataclass, field

import structlog

from shared.artifacts import ArtifactStore
from shared.errors import FatalError
from shared.stage import StageDefinition
from shared.worker import fitness, leftovers
from shared.worker.departure import Departure
from shared.worker.engine import Engine
from shared.worker.settings import WorkerSettings
from shared.worker.warm_up import warm_up

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Worker:
    """What a job needs; built once for the process."""

    definition: StageDefinition
    store: ArtifactStore
    engine: Engine
    settings: WorkerSettings = field(default_factory=WorkerSettings)
    departure: Departure = field(default_factory=Departure)

    async def fit(self) -> None:
        """The fitness check: the SDK reports and ends a worker that raises here, before it takes a job.

        FatalError graph_rejected names node classes that ComfyUI lacks, model_missing weight files; TransientError
        comfy_crashed and comfy_unreachable say that it did not start. A warm-up that shows ComfyUI broken counts too.
        """
        leftovers.sweep(self.engine.base_dir)
        await self.engine.start()
        needed = fitness.needs(self.definition, self.settings)
        catalogue = await self.engine.catalogue()
        if absent := fitness.missing_classes(needed, catalogue):
            raise FatalError("graph_rejected", f"ComfyUI lacks {', '.join(absent)}: {fitness.remedy(absent)}")
        absent = fitness.missing_files(needed, catalogue)
        if absent and not self.settings.partial:
            raise FatalError("model_missing", f"ComfyUI lacks weights: {', '.join(absent)}")
        if not absent:
            await warm_up(self.definition, self.engine, self.settings)
        log.info("worker_fit", stage=self.definition.stage, engine=self.engine.name, missing_files=absent)
