import pytest
import simpy

from scaling.fleet import Fleet, Job
from scaling.scenario import Endpoint, QueueDelay, RequestCount
from scaling.service_times import ServiceTimes

COLD, IDLE, WORK = 100.0, 60.0, 30.0
ONE = Endpoint(cold_start=COLD, cold_sigma=0, idle_timeout=IDLE, scaler=QueueDelay(seconds=4), restart=20)


def played(endpoint: Endpoint, *jobs: tuple[float, str | None], seconds: float = WORK) -> tuple[Fleet, list[Job]]:
    """(arrival, code) each; run until nothing more happens."""
    env = simpy.Environment()
    fleet, submitted = Fleet(env, endpoint, [0.0], ServiceTimes(dispatch=0, polling=0)), list[Job]()

    def source() -> simpy.events.ProcessGenerator:
        for arrival, code in jobs:
            yield env.timeout(arrival - env.now)
            submitted.append(fleet.submit(seconds, code))

    env.process(source())
    env.run()
    fleet.close()
    return fleet, submitted


def test_the_first_run_starts_a_worker_at_once_and_it_leaves_after_its_idle_timeout() -> None:
    fleet, (job,) = played(ONE, (10, None))
    assert (job.start, job.end) == (10 + COLD, 10 + COLD + WORK)
    assert fleet.ledger.billed == COLD + WORK + IDLE
    assert (fleet.ledger.cold_starts, fleet.ledger.most) == (1, 1)


def test_within_the_idle_timeout_the_same_worker_takes_the_next() -> None:
    fleet, (_, job) = played(ONE, (0, None), (COLD + WORK + IDLE - 1, None))
    assert job.start == job.arrival
    assert fleet.ledger.cold_starts == 1


def test_a_run_that_waits_out_the_delay_starts_another_worker() -> None:
    warm = ONE.model_copy(update={"workers_min": 1})
    fleet, jobs = played(warm, (0, None), (0, None), (0, None), seconds=500)
    assert [job.start for job in jobs] == [0, 4 + COLD, 4 + COLD]
    assert (fleet.ledger.cold_starts, fleet.ledger.most) == (2, 3)


def test_a_run_that_is_taken_before_the_delay_starts_none() -> None:
    warm = ONE.model_copy(update={"workers_min": 1})
    fleet, jobs = played(warm, (0, None), (WORK - 3, None))
    assert [job.start for job in jobs] == [0, WORK]
    assert fleet.ledger.cold_starts == 0


@pytest.mark.parametrize(("per_worker", "workers"), [(1, 4), (2, 2), (4, 1)])
def test_the_request_count_gives_a_worker_to_so_many_runs(per_worker: float, workers: int) -> None:
    counted = ONE.model_copy(update={"scaler": RequestCount(per_worker=per_worker)})
    fleet, _ = played(counted, *[(0.0, None)] * 4)
    assert fleet.ledger.most == workers


@pytest.mark.parametrize("scaler", [QueueDelay(), RequestCount()])
def test_never_more_than_the_maximum(scaler: QueueDelay | RequestCount) -> None:
    fleet, jobs = played(ONE.model_copy(update={"workers_max": 2, "scaler": scaler}), *[(0.0, None)] * 9)
    assert fleet.ledger.most == 2
    assert all(job.done.processed for job in jobs)


def test_a_lost_worker_is_replaced_and_a_crashed_comfyui_started_again() -> None:
    warm = ONE.model_copy(update={"workers_min": 1, "workers_max": 1})
    _, (_, after) = played(warm, (0, "worker_lost"), (0, None))
    assert after.start == WORK + COLD
    _, (_, after) = played(warm, (0, "comfy_crashed"), (0, None))
    assert after.start == WORK + 20
    _, (_, after) = played(warm, (0, "connection_lost"), (0, None))
    assert after.start == WORK
