from collections import Counter
from collections.abc import AsyncIterator

import pytest

from orchestrator.runpod_client import OPERATIONS, OUTCOMES, Count, JobState, Policy, RunPodClient
from shared.contracts.vocabulary import Stage
from shared.errors import FatalError, TransientError
from tests.integration.orchestrator.scripted_runpod import ScriptedRunPod, endpoint_of, make_app, serving

ENDPOINT = endpoint_of(Stage.BASE_GEN)


@pytest.fixture
async def runpod() -> AsyncIterator[ScriptedRunPod]:
    scripted = ScriptedRunPod()
    async with serving(make_app(scripted)) as scripted.url:
        yield scripted


@pytest.fixture
def asked() -> Counter[tuple[str, str]]:
    return Counter()


def count_into(asked: Counter[tuple[str, str]]) -> Count:
    return lambda operation, outcome: asked.update([(operation, outcome)])


@pytest.fixture
async def client(runpod: ScriptedRunPod, asked: Counter[tuple[str, str]]) -> AsyncIterator[RunPodClient]:
    made = RunPodClient(f"{runpod.url}/v2", "runpod-key", count=count_into(asked))
    yield made
    await made.close()


async def test_a_job_is_sent_and_followed(client: RunPodClient, runpod: ScriptedRunPod) -> None:
    policy = Policy(execution=300, ttl=4000)
    job_id = await client.run(ENDPOINT, {"prompt": "x"}, policy=policy, webhook="https://x.example/hook")
    [job] = runpod.jobs
    assert job.body == {
        "input": {"prompt": "x"},
        "policy": {"executionTimeout": 300_000, "ttl": 4_000_000},
        "webhook": "https://x.example/hook",
    }
    for word, state in (("IN_QUEUE", JobState.IN_QUEUE), ("RUNNING", JobState.UNKNOWN), ("FAILED", JobState.FAILED)):
        job.status = word
        found = await client.status(ENDPOINT, job_id)
        assert found is not None
        assert found.status is state
    await client.cancel(ENDPOINT, job_id)
    assert runpod.canceled == [job_id]
    assert await client.health(ENDPOINT) == {"jobs": {"inQueue": 0}, "workers": {"idle": 1}}


@pytest.mark.parametrize(("execution", "ttl", "sent"), [(0.1, 1, (5_000, 10_000)), (9e9, 9e9, (604_800_000,) * 2)])
def test_a_policy_stays_within_what_runpod_takes(execution: float, ttl: float, sent: tuple[int, int]) -> None:
    assert tuple(Policy(execution, ttl).as_json().values()) == sent


async def test_an_unknown_job_is_none_and_canceling_it_is_fine(client: RunPodClient) -> None:
    assert await client.status(ENDPOINT, "gone-e1") is None
    await client.cancel(ENDPOINT, "gone-e1")


async def test_a_429_is_tried_again_but_a_500_is_not_sent_twice(client: RunPodClient, runpod: ScriptedRunPod) -> None:
    runpod.run_answers.extend([429, 429])
    await client.run(ENDPOINT, {})
    assert len(runpod.jobs) == 1
    runpod.run_answers.append(500)
    with pytest.raises(TransientError, match="runpod_unavailable"):
        await client.run(ENDPOINT, {})
    assert len(runpod.jobs) == 1


async def test_a_cut_reply_is_not_sent_twice(client: RunPodClient, runpod: ScriptedRunPod) -> None:
    runpod.run_answers.append("lose")
    with pytest.raises(TransientError, match="runpod_unavailable"):
        await client.run(ENDPOINT, {})
    assert len(runpod.jobs) == 1


async def test_questions_are_asked_again(client: RunPodClient, runpod: ScriptedRunPod) -> None:
    job_id = await client.run(ENDPOINT, {})
    runpod.status_answers.extend([500, 429])
    assert (await client.status(ENDPOINT, job_id)) is not None
    runpod.status_answers.extend([500] * 3)
    with pytest.raises(TransientError, match="runpod_unavailable"):
        await client.status(ENDPOINT, job_id)


@pytest.mark.parametrize(("status", "kind"), [(400, FatalError), (413, FatalError), (401, TransientError)])
async def test_refusals(client: RunPodClient, runpod: ScriptedRunPod, status: int, kind: type[Exception]) -> None:
    runpod.run_answers.append(status)
    with pytest.raises(kind):
        await client.run(ENDPOINT, {})


async def test_nobody_there(asked: Counter[tuple[str, str]]) -> None:
    client = RunPodClient("http://127.0.0.1:9/v2", "key", count=count_into(asked))
    with pytest.raises(TransientError, match="ConnectError"):
        await client.run(ENDPOINT, {})
    await client.close()
    assert asked == {("run", "unreachable"): 3}


async def test_every_request_is_counted_by_its_outcome(
    client: RunPodClient, runpod: ScriptedRunPod, asked: Counter[tuple[str, str]]
) -> None:
    runpod.run_answers.extend([429, 401])
    with pytest.raises(TransientError):
        await client.run(ENDPOINT, {})
    job_id = await client.run(ENDPOINT, {})
    runpod.status_answers.append(500)
    await client.status(ENDPOINT, job_id)
    await client.status(ENDPOINT, "gone-e1")
    await client.cancel(ENDPOINT, "gone-e1")
    await client.health(ENDPOINT)
    assert asked == {
        ("run", "busy"): 1,
        ("run", "refused"): 1,
        ("run", "ok"): 1,
        ("status", "server_error"): 1,
        ("status", "ok"): 2,
        ("cancel", "ok"): 1,
        ("health", "ok"): 1,
    }
    assert {operation for operation, _ in asked} == set(OPERATIONS)
    assert {outcome for _, outcome in asked} < set(OUTCOMES)


async def test_an_answer_that_is_no_job(client: RunPodClient, runpod: ScriptedRunPod) -> None:
    runpod.status_answers.append(200)  # with an empty body
    with pytest.raises(TransientError, match="not that of a job"):
        await client.status(ENDPOINT, "x")
