"""The card and the request say the same: what the card offers is taken, and what its rules forbid is refused."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.card import ModelCard, Option, Rule, card
from orchestrator.pricing import Surcharges, credits_for
from shared.contracts.request import Control, GenerationRequest

SURCHARGES = Surcharges(detailer=8)
SOLD, DRAFT = card(allow_draft=False, surcharges=SURCHARGES), card(allow_draft=True, surcharges=SURCHARGES)
UPLOAD = "0" * 32
NOT_OFFERED = {"model", "image_urls", "aspect_ratio", "webhook_url", "metadata", "control"}
"""Not choices of a user: names, other ways to send the same, what the backend adds; a control has its own fields."""

Form = dict[str, Any]


def sent(form: Form) -> dict[str, Any]:
    """The request of a filled form; null is left out, and a control is an object."""
    body: dict[str, Any] = {}
    for field, value in form.items():
        group, _, name = field.rpartition(".")
        if value is not None and (not group or form.get("control.type")):
            (body.setdefault(group, {}) if group else body)[name] = value
    return body


def accepted(form: Form, *, draft: bool = False) -> bool:
    try:
        GenerationRequest.model_validate(sent(form), context={"allow_draft": draft})
    except ValidationError:
        return False
    return True


def broken(form: Form, rules: tuple[Rule, ...]) -> list[str]:
    return [
        rule.reason
        for rule in rules
        if all(form.get(name) in values for name, values in rule.when.items())
        and form.get(rule.field) not in rule.allowed
    ]


def values(option: Option) -> st.SearchStrategy[Any]:
    match option.kind:
        case "text":
            return st.just("a lighthouse")
        case "image" | "video":
            return st.sampled_from([None, UPLOAD])
        case "toggle":
            return st.booleans()
        case "number":
            assert option.minimum is not None
            assert option.maximum is not None
            within: st.SearchStrategy[Any]
            if option.field == "control.strength":
                within = st.floats(option.minimum, option.maximum)
            else:
                within = st.integers(int(option.minimum), int(option.maximum))
            return within if option.default is not None else st.none() | within
        case "choice":
            chosen = st.sampled_from([choice.value for choice in option.choices])
            return chosen if option.default is not None else st.none() | chosen


def forms(offered: ModelCard) -> st.SearchStrategy[Form]:
    def one_reference(form: Form) -> bool:
        given = [form[name] for name in ("control.upload_id", "control.source") if form[name] is not None]
        return form["control.type"] is None or len(given) == 1

    return st.fixed_dictionaries({option.field: values(option) for option in offered.options}).filter(one_reference)


@pytest.mark.parametrize("offered", [SOLD, DRAFT], ids=["sold", "draft"])
@settings(max_examples=400, deadline=None, database=None)
@given(data=st.data())
def test_a_form_is_taken_exactly_when_it_breaks_no_rule(offered: ModelCard, data: st.DataObject) -> None:
    form = data.draw(forms(offered))
    if form["control.type"] is None:
        form["control.source"] = None
    assert accepted(form, draft=offered is DRAFT) == (broken(form, offered.rules) == []), sent(form)


def test_the_defaults_are_those_of_the_request() -> None:
    defaults = {option.field: option.default for option in SOLD.options if option.default is not None}
    wanted = GenerationRequest(prompt="x").model_dump()
    assert {name: value for name, value in defaults.items() if "." not in name} == {
        name: wanted[name] for name in defaults if "." not in name
    }
    assert accepted({"prompt": "x", **{name: value for name, value in defaults.items() if "." not in name}})


def test_every_field_is_offered_or_known_not_to_be() -> None:
    offered = {option.field for option in SOLD.options}
    assert {name for name in offered if "." not in name} == set(GenerationRequest.model_fields) - NOT_OFFERED
    assert {name.removeprefix("control.") for name in offered if "." in name} == set(Control.model_fields) - {
        "video_url"
    }


@pytest.mark.parametrize("field", ["steps", "seed"])
def test_the_bounds_are_the_last_that_are_taken(field: str) -> None:
    option = next(option for option in SOLD.options if option.field == field)
    assert option.minimum is not None
    assert option.maximum is not None
    least, most = int(option.minimum), int(option.maximum)
    taken = [accepted({"prompt": "x", "quality": "pro", field: value}) for value in (least - 1, least, most, most + 1)]
    assert taken == [False, True, True, False]


def test_every_price_is_there_once() -> None:
    prices = {(price.quality, price.resolution, price.duration): price.credits for price in SOLD.credits}
    choices = {option.field: [choice.value for choice in option.choices] for option in SOLD.options}
    assert set(prices) == set(product(choices["quality"], choices["resolution"], choices["duration"]))
    assert all(credits_for(*what) == price for what, price in prices.items())
    assert len(SOLD.credits) == len(prices) == 12


def test_every_surcharge_is_that_of_an_option() -> None:
    fields = {option.field.partition(".")[0] for option in SOLD.options}
    shown = SOLD.model_dump()["surcharges"]
    assert shown == {"spatial_upscale": 0, "temporal_upscale": 0, "detailer": 8, "control": 0}
    assert shown.keys() <= fields


def test_a_draft_is_offered_only_where_it_is_allowed() -> None:
    def resolutions(offered: ModelCard) -> list[Any]:
        return [choice.value for option in offered.options if option.field == "resolution" for choice in option.choices]

    assert resolutions(SOLD) == ["720p", "1080p"]
    assert resolutions(DRAFT) == ["720p", "1080p", "draft"]


def test_it_stands_after_seedance() -> None:
    assert (SOLD.name, SOLD.after, SOLD.aliases) == ("LTX-2", "seedance-1.5-pro", ("ltx-2-t2v", "ltx-2-i2v"))
