"""How long a stage run really takes beside what its plan says, as a distribution. Pure."""

import math

from pydantic import Field

from shared.contracts.vocabulary import Frozen, Stage

SIGMA = 0.15
"""Of the logarithm of a run's seconds: facts/ltx2.md section 6.2, "use in a load simulation"."""


class StageTimes(Frozen):
    """Seconds = `fixed` + `factor` x the plan's estimate x noise; the noise is lognormal with mean 1."""

    factor: float = Field(default=1.0, gt=0)
    """1: the plan is right, on an H100. facts/ltx2.md section 6.2 gives 0.4 to 2 as the range of doubt."""
    fixed: float = Field(default=0.0, ge=0)
    """Seconds that every run takes besides, and that the plan does not count: a computer's, not a GPU's."""
    sigma: float = Field(default=SIGMA, ge=0)

    def mean(self, estimated: float) -> float:
        return self.fixed + self.factor * estimated

    def second_moment(self, estimated: float) -> float:
        """E[seconds squared]: the variance of a lognormal of mean 1 is exp(sigma squared) - 1."""
        return self.mean(estimated) ** 2 + (self.factor * estimated) ** 2 * math.expm1(self.sigma**2)

    def seconds(self, estimated: float, normal: float) -> float:
        """One draw; `normal` is a standard normal variate."""
        return self.fixed + self.factor * estimated * math.exp(self.sigma * normal - self.sigma**2 / 2)


class ServiceTimes(Frozen):
    """Of all stages, and of the way between them. The default is the plan itself: nothing was measured."""

    stages: dict[Stage, StageTimes] = Field(default_factory=lambda: dict.fromkeys(Stage, StageTimes()))
    hop: float = Field(default=0.5, ge=0)
    """Seconds from the end of one stage's run to the arrival in the next one's queue, from the request to the first
    queue, and from the last end until the generation is final. Assumed: network and orchestrator."""
    dispatch: float = Field(default=0.5, ge=0)
    """Seconds until a worker that asks for a job has the one that is there. Assumed; 0.01 in the local cloud."""
    polling: float = Field(default=1.0, ge=0)
    """A worker that took a job asks for the next so many seconds later, or at the first multiple of them at which that
    job has ended: RunPod's SDK sleeps a second at a time while it is busy (facts/runpod.md section B). The local
    cloud's load tests show the same."""

    def asks_after(self, seconds: float) -> float:
        """From the end of a job of so many seconds until its worker asks for the next."""
        return -seconds % self.polling if self.polling else 0.0

    def sped(self, speed: float) -> "ServiceTimes":
        """On the plan's clock of a load whose work was scaled 1:speed: all that was not scaled looks longer."""
        stages = {stage: each.model_copy(update={"fixed": each.fixed * speed}) for stage, each in self.stages.items()}
        return ServiceTimes(
            stages=stages, hop=self.hop * speed, dispatch=self.dispatch * speed, polling=self.polling * speed
        )
