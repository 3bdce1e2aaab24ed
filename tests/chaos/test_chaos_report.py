"""The report stands between its marks on the page, and says what was broken."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.checks import violations
from tests.chaos.driver import Deed
from tests.chaos.plan import Act, Kill, Part, make_plan
from tests.chaos.report import BEGIN, END, Report, write_into
from tests.chaos.run import PAGE
from tests.chaos.test_chaos_checks import sound


def report(*, unended: bool = False) -> Report:
    evidence = sound()
    if unended:
        evidence.endings = {}
    kill = Act(after=0, pause=0, patience=0, what=Kill(Part.GATEWAY, "gateway"))
    return Report(
        plan=make_plan(5, generations=1, kills=0, faults=0, gateway_faults=0),
        evidence=evidence,
        deeds=[Deed(kill, datetime.now(UTC), back=1.5, on=2.5), Deed(kill, datetime.now(UTC), done=False)],
        broken=violations(evidence),
        seconds=9.0,
        statuses=Counter({200: 3}),
        unanswered=0,
        restarts={"gateway": 1},
    )


def test_it_replaces_what_stood_between_its_marks_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nof yesterday\n{END}\nafter\n")
    write_into(page, report())
    write_into(page, report())
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| what |")
    assert text.endswith(f"{END}\nafter\n")
    assert "of yesterday" not in text
    assert text.count("| seed | 5 |") == 1
    assert "| gateway | 1 | median 1.5, longest 1.5 | median 2.5, longest 2.5 |" in text, (
        "what was not done is not told"
    )


def test_what_was_broken_is_told_in_full() -> None:
    assert "| never |" in report().markdown()
    (line,) = report(unended=True).violations
    assert line == "every generation ends, once: wish 0 (g1) has 0 events of its end"
    assert f"- {line}" in report(unended=True).markdown()


def test_the_page_has_the_marks() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
