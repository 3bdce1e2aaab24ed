"""What is simulated: stages' endpoints, faults, and who asks for what. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from orchestrator.transitions import RETRIES
from scaling.arrivals import Arrivals
from scaling.gpus import H100, Gpu
from scaling.mix import GPUS, Mix
from scaling.records import Measured
from scaling.service_times import ServiceTimes
from shared.contracts.vocabulary import Frozen, Stage
from shared.durations import START_SECONDS


class QueueDelay(Frozen):
    """RunPod's default: the first run starts a worker; a run that has waited so long starts another one.

    As its docs say it (serverless/endpoints/endpoint-configurations); that one start answers one waiting run is ours.
    """

    kind: Literal["queue_delay"] = "queue_delay"
    seconds: float = Field(default=4.0, gt=0)


class RequestCount(Frozen):
    """As many workers as runs that wait or run, divided by this (the same page)."""

    kind: Literal["request_count"] = "request_count"
    per_worker: float = Field(default=1.0, gt=0)


Scaler = Annotated[QueueDelay | RequestCount, Field(discriminator="kind")]


class Endpoint(Frozen):
    """One RunPod endpoint. Seconds."""

    gpu: Gpu = H100
    workers_min: int = Field(default=0, ge=0)
    workers_max: int = Field(default=1000, ge=1)
    scaler: Scaler = QueueDelay()
    idle_timeout: float = Field(default=60.0, ge=0)
    cold_start: float = Field(default=START_SECONDS / 2, ge=0)
    """Mean. `START_SECONDS` is it doubled (facts/ltx2.md section 5.5: 27 GB of weights from a network volume)."""
    cold_sigma: float = Field(default=0.3, ge=0)
    """Of its logarithm. Assumed."""
    restart: float = Field(default=30.0, ge=0)
    """Of ComfyUI alone, after it crashed or ran out of memory: 20 to 40 (docs/operations.md, "Cold starts")."""


ENDPOINTS: dict[Stage, Endpoint] = {
    Stage.BASE_GEN: Endpoint(),
    Stage.SPATIAL_UPSCALE: Endpoint(),
    Stage.TEMPORAL_UPSCALE: Endpoint(gpu=GPUS[Stage.TEMPORAL_UPSCALE], idle_timeout=30.0, cold_start=45.0),
}
"""deploy/endpoints.toml, with RunPod's own 4 s and without its small account's maxima. The temporal stage has 3 GB of
weights in its image: a machine and ComfyUI are all of its cold start (facts/ltx2.md section 5.4; assumed)."""


class Faults(Frozen):
    """A stage run dies with a chance of `rate`, at a point anywhere within its seconds, with one of the codes."""

    rate: float = Field(default=0.02, ge=0, lt=1)
    """Assumed; nobody has run this on RunPod yet."""
    codes: dict[str, float] = {  # noqa: RUF012  pydantic copies defaults
        "worker_lost": 0.40,
        "comfy_crashed": 0.20,
        "connection_lost": 0.10,
        "storage_unavailable": 0.10,
        "out_of_memory": 0.10,
        "execution_timeout": 0.05,
        "artifact_corrupt": 0.05,
    }
    """Code -> weight. Assumed. `execution_timeout` hangs until its deadline."""

    @field_validator("codes")
    @classmethod
    def _known(cls, codes: dict[str, float]) -> dict[str, float]:
        if unknown := codes.keys() - RETRIES.keys():
            raise ValueError(f"no such codes: {sorted(unknown)}")
        return codes


class Scenario(Frozen):
    arrivals: Arrivals
    mix: Mix = Mix()
    endpoints: dict[Stage, Endpoint] = ENDPOINTS
    service: ServiceTimes = ServiceTimes()
    faults: Faults = Faults()
    seed: int = 7

    @property
    def gpus(self) -> dict[Stage, Gpu]:
        return {stage: endpoint.gpu for stage, endpoint in self.endpoints.items()}

    def demands(self) -> list["Demand"]:
        """Who asks when for what; the same for a seed, whatever the endpoints are (as long as their cards are)."""
        random = np.random.default_rng([self.seed, 0])
        times = self.arrivals.times(random)
        kinds = self.mix.kinds(self.gpus)
        weights = np.array([kind.weight for kind in kinds])
        chosen = random.choice(len(kinds), size=len(times), p=weights / weights.sum())
        return [
            Demand(str(index), at, kinds[which].seconds)
            for index, (at, which) in enumerate(zip(times, chosen.tolist(), strict=True))
        ]


@dataclass(frozen=True)
class Demand:
    """One generation that is asked for."""

    name: str
    arrival: float
    seconds: dict[Stage, float]
    """Estimated, of each stage that it needs, in order."""
    ran: Mapping[Stage, float] = field(default_factory=dict)
    """Seconds that a worker really had, of the stages of which it is known: these take so long, and do not fail."""


def replayed(measured: Measured, *, exactly: bool = False) -> list[Demand]:
    """The generations of a measured load as demands, on the plan's clock; `exactly`: with the seconds of each run."""
    first = {asked.generation: asked.arrival for asked in measured.asked}
    seconds: dict[str, dict[Stage, float]] = {}
    ran: dict[str, dict[Stage, float]] = {}
    for run in measured.runs:
        seconds.setdefault(run.generation, {})[run.stage] = run.estimated
        ran.setdefault(run.generation, {})[run.stage] = run.ran * measured.speed
        first.setdefault(run.generation, run.arrival)
    zero = min(first.values(), default=0.0)
    demands = [
        Demand(
            name,
            (first[name] - zero) * measured.speed,
            {s: mine[s] for s in Stage if s in mine},
            ran[name] if exactly else {},
        )
        for name, mine in seconds.items()
    ]
    return sorted(demands, key=lambda demand: demand.arrival)
