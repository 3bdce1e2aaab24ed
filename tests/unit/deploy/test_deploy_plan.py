"""(desired, account) -> changes, and their bodies: tables, and that a plan which is done leaves nothing to do."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import bodies
from deploy.bodies import Ids
from deploy.desired import Desired
from deploy.plan import Action, Kind, destruction, plan
from deploy.state import Account, EndpointState, Seen, wanted
from shared.contracts.vocabulary import Stage
from tests.integration.deploy.account import FakeAccount
from tests.unit.deploy.accounts import EXAMPLE, desired, endpoint, only, perform, seen

POOLS = {
    "ADA_48_PRO": ["NVIDIA L40", "NVIDIA L40S"],
    "AMPERE_24": ["NVIDIA L4", "NVIDIA RTX A5000"],
    "ADA_80_PRO": ["NVIDIA H100 80GB HBM3"],
}
WORDS = st.sampled_from(["a", "b"])


def state(**changes: Any) -> EndpointState:
    given_one = only(**changes)
    return wanted(given_one)[0]["mivo-ltx2-base-gen"]


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [
        ({}, {}, {}),
        ({}, {"image": "other"}, {"image": "docker.io/mivo/other:v1"}),
        ({}, {"workers_max": 1}, {"workers": {"min": 0, "max": 1, "idleTimeout": 60}}),
        ({}, {"execution_timeout_seconds": 60}, {"timeout": 60_000}),
        ({}, {"data_centers": ["US-KS-2"]}, {"dataCenterIds": ["US-KS-2"]}),
        ({"data_centers": ["US-KS-2"]}, {}, {"dataCenterIds": []}),
        ({}, {"flashboot": False}, {"flashboot": "OFF"}),
        # pools without excludedTypes clears these, and the exclusions alone are refused
        (
            {"gpu_pools": ["ADA_48_PRO"], "excluded_gpus": []},
            {"gpu_pools": ["ADA_48_PRO"], "excluded_gpus": ["NVIDIA L40"]},
            {"gpu": {"pools": ["ADA_48_PRO"], "excludedTypes": ["NVIDIA L40"]}},
        ),
        ({}, {"min_cuda_version": "13.0"}, {"gpu": {"minCudaVersion": "13.0", "allowedCudaVersions": []}}),
        # the scaler decides whether idleTimeout may be there
        (
            {},
            {"scaler": "request_count", "scaler_value": 1, "idle_timeout_seconds": None},
            {"workers": {"min": 0, "max": 2}, "scaling": {"type": "REQUEST_COUNT", "requestCount": 1}},
        ),
    ],
)
def test_only_what_differs_is_sent_with_what_belongs_to_it(
    before: dict[str, Any], after: dict[str, Any], body: dict[str, Any]
) -> None:
    assert bodies.alter(state(**before), state(**after), Ids()) == body


def test_a_changed_environment_is_sent_whole_because_it_replaces_the_old_one() -> None:
    env = bodies.alter(state(), state(env={"WORKER_OPTIONS": "camera"}), Ids())["env"]
    assert env.keys() == {*EXAMPLE.env, "WORKER_OPTIONS", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}


def test_the_order_is_volumes_then_endpoints_then_deletions_then_what_stays() -> None:
    fake = FakeAccount()
    both = desired(
        volume=[{"name": "mivo-ltx2-a", "size_gb": 100, "data_center": "US-KS-2"}],
        endpoint=[endpoint(volumes=["mivo-ltx2-a"])],
    )
    for at in (0, 1):
        name, old = [*wanted(EXAMPLE)[0].items()][at]
        fake.create_endpoint(bodies.create(name, old, Ids()))
    fake.create_endpoint(bodies.create("mivo-ltx2-base-gen-2", state(), Ids()))  # begins like ours, and is not
    fake.create_volume({"name": "data", "size": 10, "dataCenter": "EU-RO-1"})
    changes = plan(both, seen(fake, both.names()))
    assert [(change.action, change.name) for change in changes] == [
        (Action.CREATE, "mivo-ltx2-a"),
        (Action.CHANGE, "mivo-ltx2-base-gen"),
        (Action.DELETE, "mivo-ltx2-spatial-upscale"),
        (Action.FOREIGN, "data"),
        (Action.FOREIGN, "mivo-ltx2-base-gen-2"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "danger"),
    [
        ({"workers_max": 1}, {"workers_max": 0}, "scales to zero"),
        ({"workers_min": 1}, {"workers_min": 0}, "no worker is always on"),
        ({"workers_max": 2}, {"workers_max": 1}, None),
        ({"image": "a"}, {"image": "b"}, None),
    ],
)
def test_what_needs_yes(before: dict[str, Any], after: dict[str, Any], danger: str | None) -> None:
    fake = FakeAccount()
    fake.create_endpoint(bodies.create("mivo-ltx2-base-gen", state(**before), Ids()))
    goal = only(**after)
    (change,) = plan(goal, seen(fake, goal.names()))
    assert change.danger is None if danger is None else str(change.danger).startswith(danger)


def test_the_oldest_of_two_is_taken_for_ours_and_a_flashboot_suffix_is_not_a_name() -> None:
    goal = only()
    twins = tuple(
        Seen(known, "mivo-ltx2-base-gen -fb", created, state())
        for known, created in (("b", "2026-02"), ("a", "2026-01"))
    )
    changes = plan(goal, Account(endpoints=twins, volumes=()))
    assert [(change.action, change.id) for change in changes] == [(Action.KEEP, "a")]


def test_a_volume_takes_the_type_that_it_has_where_the_file_names_none() -> None:
    fake = FakeAccount()
    fake.create_volume({"name": "mivo-ltx2-a", "size": 10, "dataCenter": "x", "type": "HIGH_PERFORMANCE"})
    goal = desired(volume=[{"name": "mivo-ltx2-a", "size_gb": 10, "data_center": "x"}])
    changes = plan(goal, seen(fake, goal.names()))
    assert [change.action for change in changes if change.kind is Kind.VOLUME] == [Action.KEEP]


@st.composite
def rows(draw: st.DrawFn, stage: Stage, large: bool) -> dict[str, Any]:
    pools = draw(st.lists(st.sampled_from([*POOLS]), min_size=1, unique=True))
    cards = [card for pool in pools for card in POOLS[pool]]
    counting = draw(st.booleans())
    most = draw(st.integers(0, 3))
    return {
        "stage": stage,
        "large": large,
        "image": draw(WORDS),
        "vram_gb": 24,
        "gpu_pools": pools,
        "excluded_gpus": draw(st.lists(st.sampled_from(cards), unique=True)),
        "min_cuda_version": draw(st.sampled_from(["12.8", "13.0"])),
        "workers_min": draw(st.integers(0, most)),
        "workers_max": most,
        "scaler": "request_count" if counting else "queue_delay",
        "scaler_value": draw(st.integers(1, 3)),
        "idle_timeout_seconds": None if counting else draw(st.integers(1, 3)),
        "execution_timeout_seconds": draw(st.integers(5, 7)),
        "flashboot": draw(st.booleans()),
        "container_disk_gb": draw(st.integers(1, 3)),
        "data_centers": draw(st.sampled_from([[], ["DC-0", "DC-1"]])),
        "volumes": draw(st.lists(st.sampled_from(["mivo-ltx2-v0", "mivo-ltx2-v1"]), unique=True)),
        "env": draw(st.dictionaries(st.sampled_from(["ONE", "TWO"]), WORDS)),
        "secrets": draw(st.dictionaries(st.sampled_from(["A_TOKEN", "B_TOKEN"]), WORDS)),
    }


@st.composite
def files(draw: st.DrawFn) -> Desired:
    kinds = [(stage, large) for stage in Stage for large in (False, True)]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, unique=True))
    volumes = [
        {"name": f"mivo-ltx2-v{at}", "size_gb": draw(st.integers(10, 12)), "data_center": f"DC-{at}"} for at in (0, 1)
    ]
    return desired(workers_quota=99, endpoint=[draw(rows(*kind)) for kind in chosen], volume=volumes)


def made(fake: FakeAccount, goal: Desired) -> None:
    for change in plan(goal, seen(fake, goal.names())):
        perform(fake, change)


@settings(max_examples=40, deadline=None)
@given(files(), files(), st.sets(st.integers(0, 5)), st.booleans())
def test_a_plan_that_is_done_leaves_nothing_to_do(
    old: Desired, goal: Desired, spoiled: set[int], stranger: bool
) -> None:
    """From any account that another file made, and that somebody then meddled with, whose volumes did not grow."""
    fake = FakeAccount()
    made(fake, old.model_copy(update={"volume": tuple(v.model_copy(update={"size_gb": 10}) for v in old.volume)}))
    for at, row in enumerate(fake.endpoints.values()):
        if at in spoiled:
            row |= {"type": "LOAD_BALANCER", "ports": ["80/http"], "args": "sleep 9"}
            row["gpu"] |= {"allowedCudaVersions": ["12.9"], "minCudaVersion": None}
    if stranger:
        fake.create_endpoint(bodies.create("somebodys", state(), Ids()))
    strangers = [row for row in fake.endpoints.values() if row["name"] == "somebodys"]
    made(fake, goal)
    left = plan(goal, seen(fake, goal.names()))
    assert [change for change in left if change.does_something] == []
    assert {row["name"] for row in fake.endpoints.values()} == {
        *(goal.name(row) for row in goal.endpoint),
        *(["somebodys"] if stranger else []),
    }
    assert [row for row in fake.endpoints.values() if row["name"] == "somebodys"] == strangers
    for change in destruction(goal, seen(fake, goal.names()), volumes=True):
        perform(fake, change)
    assert [*fake.endpoints.values()] == strangers
    assert fake.volumes == {}
