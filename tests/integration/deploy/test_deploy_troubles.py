"""What `python -m deploy` makes of a RunPod that is slow, busy, broken or changing under its hands."""

from collections.abc import Callable

import pytest

from deploy import rest
from tests.integration.deploy.conftest import Deploy
from tests.integration.deploy.rest_server import Manner, RestServer

Edit = Callable[[str, str], None]
POST, GET, PATCH = "POST /serverless", "GET /serverless", "PATCH /serverless/*"
BUSY = Manner(status=429, headers=(("Retry-After", "0"),))


def names(server: RestServer) -> list[str]:
    return sorted(row["name"] for row in server.account.endpoints.values())


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "does not know this API key (401)"),
        (403, "may not do GET /network-volumes (403): give it Read/Write"),
        (418, "refused it (418): as the test wants it"),
    ],
)
def test_what_a_person_has_to_mend_is_told_at_once(server: RestServer, deploy: Deploy, status: int, says: str) -> None:
    server.behave("GET /network-volumes", always=Manner(status=status))
    done = deploy("plan")
    assert done.status == 1
    assert says in done.err
    assert len(server.asked) == 1, "a second try would be no better"


@pytest.mark.parametrize("trouble", [BUSY, Manner(status=500), Manner(status=503), Manner(dropped=True)])
def test_reading_goes_on_after_passing_trouble(server: RestServer, deploy: Deploy, trouble: Manner) -> None:
    server.behave(GET, trouble, trouble)
    assert deploy("plan").status == 0
    assert server.count(GET) == 3


def test_trouble_that_stays_ends_it_after_some_tries(server: RestServer, deploy: Deploy) -> None:
    server.behave(GET, always=Manner(status=502))
    done = deploy("plan")
    assert done.status == 75
    assert "GET /serverless: RunPod answered 502" in done.err
    assert server.count(GET) == rest.TRIES


@pytest.mark.parametrize(
    "answer", [Manner(lost=True), Manner(raw=b"<html>502"), Manner(raw=b"{}"), Manner(raw=b'{"id": "../x"}')]
)
def test_a_creation_whose_answer_is_lost_is_found_and_not_made_twice(
    server: RestServer, deploy: Deploy, answer: Manner
) -> None:
    server.behave(POST, answer, answer, answer)
    done = deploy("apply")
    assert done.status == 0, done.err
    assert server.count(POST) == 3
    assert len(names(server)) == 3


def test_a_list_that_lags_behind_is_asked_again(server: RestServer, deploy: Deploy) -> None:
    server.behave(POST, Manner(lost=True))
    server.behave(GET, Manner(), Manner(hide=True))  # the first is the plan's
    assert deploy("apply").status == 0
    assert server.count(POST) == 3


@pytest.mark.parametrize("trouble", [Manner(status=500), Manner(dropped=True)])
def test_a_creation_that_may_not_have_happened_is_left_to_the_next_apply(
    server: RestServer, deploy: Deploy, trouble: Manner
) -> None:
    server.behave(POST, Manner(), trouble)
    done = deploy("apply")
    assert done.status == 75
    assert "mivo-ltx2-spatial-upscale is not there; it may still come" in done.err
    assert (server.count(POST), len(names(server))) == (2, 1), "never sent again blindly"
    assert deploy("apply").status == 0
    assert (server.count(POST), len(names(server))) == (4, 3)


def test_a_creation_that_surely_did_nothing_is_sent_again(server: RestServer, deploy: Deploy) -> None:
    server.behave(POST, BUSY, BUSY)
    assert deploy("apply").status == 0
    assert (server.count(POST), len(names(server))) == (5, 3)


def test_changes_are_repeated(server: RestServer, deploy: Deploy, edit: Edit) -> None:
    deploy("apply")
    edit('tag = "v1"', 'tag = "v2"')
    server.behave(PATCH, Manner(lost=True), Manner(status=500))
    assert deploy("apply").status == 0
    assert server.count(PATCH) == 5
    assert all(row["image"].rpartition(":")[2].startswith("v2") for row in server.account.endpoints.values())


def test_what_fails_in_the_middle_is_gone_on_with(server: RestServer, deploy: Deploy, edit: Edit) -> None:
    deploy("apply")
    edit('tag = "v1"', 'tag = "v2"')
    server.behave(PATCH, Manner(), Manner(status=400))
    failed = deploy("apply")
    assert failed.status == 1
    assert "PATCH /serverless/" in failed.err
    assert "RunPod refused it (400): as the test wants it" in failed.err
    assert failed.out.count("done: ") == 1
    finished = deploy("apply")
    assert finished.status == 0
    assert finished.out.count("done: ") == 2


def test_what_is_deleted_between_plan_and_apply_is_told_and_then_made(
    server: RestServer, deploy: Deploy, edit: Edit
) -> None:
    deploy("apply")
    edit('tag = "v1"', 'tag = "v2"')
    first = next(iter(server.account.endpoints))
    server.before[PATCH] = lambda: server.account.delete_endpoint(first)
    failed = deploy("apply")
    assert failed.status == 1
    assert "it is not there (404), or not any more; look at the plan again" in failed.err
    assert deploy("apply").status == 0
    assert len(names(server)) == 3


def test_what_is_gone_already_counts_as_deleted(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    first = next(iter(server.account.endpoints))
    server.before["DELETE /serverless/*"] = lambda: server.account.delete_endpoint(first)
    assert deploy("destroy", "--yes").status == 0
    assert names(server) == []


def test_two_of_one_name_are_a_persons_to_tell_apart(server: RestServer, deploy: Deploy, edit: Edit) -> None:
    deploy("apply")
    row = next(iter(server.account.endpoints.values()))
    server.account.endpoints["twin"] = {**row, "id": "twin", "createdAt": "2026-12-01T00:00:00Z"}
    edit('tag = "v1"', 'tag = "v2"')
    done = deploy("apply")
    assert done.status == 1
    assert f"several endpoints are called mivo-ltx2-base-gen: {row['id']} (" in done.out
    assert server.count(PATCH) == 0
    assert deploy("destroy", "--yes").status == 0
    assert names(server) == []


def test_somebody_who_applies_at_the_same_time_is_noticed(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    body = next(row.body for row in server.asked if row.what == POST)
    deploy("destroy", "--yes")
    server.before[POST] = lambda: server.account.create_endpoint(body)
    done = deploy("apply")
    assert done.status == 1
    assert f"{body['name']} exists more than once" in done.err


def test_what_does_not_read_back_is_told(server: RestServer, deploy: Deploy) -> None:
    def forget() -> None:
        for row in server.account.endpoints.values():
            row["flashboot"] = "OFF"

    server.before["GET /registries"] = lambda: server.before.update({"GET /registries": forget})
    done = deploy("apply")
    assert done.status == 1
    assert "does not read back so" in done.err
    assert "flashboot: OFF -> FLASHBOOT" in done.err


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"not json", "with something that is not JSON"),
        (b"[" * 100_000, "with something that is not JSON"),
        (b"\xff", "with something that is not JSON"),
        (b"[]", "not as its REST API v2 documents it"),
        (b'{"endpoints": [{"id": "a b", "name": "x"}]}', "not as its REST API v2 documents it"),
        (b'{"endpoints": [{"id": "a", "name": "mivo-ltx2-base-gen"}]}', "workers: Field required"),
    ],
)
def test_an_answer_that_is_not_as_documented_changes_nothing(
    server: RestServer, deploy: Deploy, raw: bytes, says: str
) -> None:
    server.behave(GET, always=Manner(raw=raw))
    done = deploy("apply")
    assert done.status == 1
    assert says in done.err
    assert server.writes() == []


def test_fields_that_nobody_told_us_of_are_ignored(server: RestServer, deploy: Deploy) -> None:
    for what in (GET, POST, "GET /registries", "GET /catalog/gpus", "GET /account/secrets", "GET /network-volumes"):
        server.behave(what, always=Manner(extra=True))
    assert deploy("apply").status == 0
    assert deploy("plan", "--detailed-exitcode").status == 0


def test_an_answer_without_end_is_given_up(server: RestServer, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_SECONDS", 1.0)
    server.behave("GET /catalog/gpus", Manner(trickle=True))
    assert deploy("plan").status == 0
    monkeypatch.setenv("RUNPOD_REST_SECONDS", "0.5")
    server.behave(GET, always=Manner(trickle=True))
    done = deploy("plan")
    assert done.status == 75
    assert "RUNPOD_REST_SECONDS are over" in done.err or "no answer" in done.err


def test_nobody_at_home(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_REST_URL", "http://127.0.0.1:1/v2")
    done = deploy("plan")
    assert done.status == 75
    assert "127.0.0.1 cannot be reached (ConnectError)" in done.err


def test_a_key_that_may_not_list_secrets_is_no_reason_to_stop(server: RestServer, deploy: Deploy) -> None:
    server.behave("GET /account/secrets", always=Manner(status=403))
    done = deploy("apply")
    assert done.status == 0
    assert "note: the API key may not list secrets: see yourself that there are mivo_ltx2_base_gen_" in done.out
