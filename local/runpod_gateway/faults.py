"""Faults on demand, each bounded by a count, so that tests can see what the rest does about them.

They live in memory: a restarted gateway is healthy.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FaultKind(StrEnum):
    DROP_RESULT = "drop_result"  # job-done is answered 200 and thrown away
    REFUSE_RESULT = "refuse_result"  # job-done is answered with `status`; the SDK gives up after three 5xx
    DUPLICATE_DELIVERY = "duplicate_delivery"  # the next job goes to two workers
    REFUSE_RUN = "refuse_run"  # /run is answered with `status`, and nothing is queued
    LOSE_REPLY = "lose_reply"  # /run queues the job, and the connection ends before the reply
    COLD_START = "cold_start"  # the next job waits `delay_ms` before any worker gets it


class Fault(BaseModel):
    """`count` events are hit; `endpoint` narrows it to one endpoint."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    count: int = Field(1, ge=1, le=1000)
    endpoint: str | None = None
    status: int = Field(500, ge=400, le=599)
    delay_ms: int = Field(0, ge=0, le=600_000)


class Faults:
    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        self._armed.append(fault)

    def armed(self) -> list[Fault]:
        return list(self._armed)

    def clear(self) -> None:
        self._armed.clear()

    def spend(self, kind: FaultKind, endpoint: str) -> Fault | None:
        """The fault that hits now, if any; it counts down."""
        for fault in self._armed:
            if fault.kind is kind and fault.endpoint in (None, endpoint):
                fault.count -= 1
                if fault.count == 0:
                    self._armed.remove(fault)
                return fault
        return None
