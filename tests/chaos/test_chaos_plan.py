"""A plan is a pure function of its seed, and leaves nothing out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from local.runpod_gateway.faults import FaultKind
from shared.contracts.request import GenerationRequest
from tests.chaos.plan import PROMPT_MARK, GatewayFault, Kill, Link, LinkFault, Part, Plan, make_plan
from tests.chaos.proxy import Trouble

LONG = {"generations": 200, "kills": 60, "faults": 40, "gateway_faults": 20}


def of(plan: Plan, kind: type) -> list[Kill | LinkFault | GatewayFault]:
    return [act.what for act in plan.acts if isinstance(act.what, kind)]


def test_the_same_seed_is_the_same_plan_and_another_is_another() -> None:
    assert make_plan(7, **LONG) == make_plan(7, **LONG)
    assert make_plan(7, **LONG) != make_plan(8, **LONG)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_long_plan_has_everything(seed: int) -> None:
    plan = make_plan(seed, **LONG)
    kills = [what for what in of(plan, Kill) if isinstance(what, Kill)]
    faults = [what for what in of(plan, LinkFault) if isinstance(what, LinkFault)]
    assert (len(plan.load), len(kills), len(faults), len(of(plan, GatewayFault))) == (200, 60, 40, 20)
    assert {kill.part for kill in kills} == set(Part)
    assert {(fault.link, fault.trouble) for fault in faults} >= {
        (link, trouble) for link in Link for trouble in Trouble if "postgres" not in link
    }
    assert {what.kind for what in of(plan, GatewayFault) if isinstance(what, GatewayFault)} == set(FaultKind)
    assert [act.after for act in plan.acts] == sorted(act.after for act in plan.acts)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_wish_is_a_legal_request(seed: int) -> None:
    for wanted in make_plan(seed, **LONG).load:
        asked = GenerationRequest.model_validate(wanted.body, context={"allow_draft": True})
        assert PROMPT_MARK in asked.prompt


def test_the_load_has_every_toggle_on_and_off() -> None:
    load = make_plan(4, **LONG).load
    for name in ("spatial_upscale", "temporal_upscale", "detailer"):
        assert {wanted.body[name] for wanted in load} == {True, False}
    assert {wanted.control for wanted in load} == {None, "video", "image"}
    assert {wanted.cancel for wanted in load} == {None, "at once", "while it runs"}
    assert {wanted.image for wanted in load} == {True, False}
    assert {wanted.body["quality"] for wanted in load} == {"fast", "pro"}
    assert {wanted.body["resolution"] for wanted in load} == {"draft", "720p"}
