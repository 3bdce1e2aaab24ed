import json
from pathlib import Path

import pytest

from scaling.__main__ import main
from scaling.records import Measured
from scaling.scenario import Scenario
from scaling.service_times import ServiceTimes
from scripts import scaling_docs
from shared.contracts.vocabulary import Stage


def test_the_page_says_what_the_code_says() -> None:
    """The two tables that are made in a moment; `python -m scripts.scaling_docs --check` makes all."""
    assert scaling_docs.main(["--check", "advice", "bursts"]) == 0, "docs/scaling.md is old; run `make docs`"


def test_a_page_that_differs_or_lacks_a_place_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "scaling.md"
    monkeypatch.setattr(scaling_docs, "PAGE", page)
    page.write_text("<!-- made by `make docs`: advice -->\nold\n<!-- end -->\n")
    assert scaling_docs.main(["--check", "advice"]) == 1
    assert scaling_docs.main(["advice"]) == 0
    assert scaling_docs.main(["--check", "advice"]) == 0
    with pytest.raises(ValueError, match="no place for the table of bursts"):
        scaling_docs.main(["bursts"])


def test_advise_prints_workers_and_refuses_what_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--per-hour", "100"]) == 0
    assert "spatial_upscale" in capsys.readouterr().out
    assert main(["advise", "--end-to-end-p95", "20"]) == 1
    assert "cannot be met" in capsys.readouterr().err
    assert main(["simulate", "--fault-rate", "2"]) == 1


def test_what_simulate_writes_calibrate_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--show", "--per-hour", "300", "--hours", "3", "--fault-rate", "0"]) == 0
    shown = json.loads(capsys.readouterr().out)
    for endpoint in shown["endpoints"].values():
        endpoint |= {"workers_min": 9, "workers_max": 9}
    scenario, seen, service = tmp_path / "mine.json", tmp_path / "seen.json", tmp_path / "service.json"
    scenario.write_text(json.dumps(shown))
    assert Scenario.model_validate_json(scenario.read_text()).faults.rate == 0
    assert main(["simulate", "--scenario", str(scenario), "--one-worker", "--records", str(seen)]) == 0
    assert "one worker" in capsys.readouterr().out
    assert Measured.model_validate_json(seen.read_text()).workers == dict.fromkeys(Stage, 9)
    assert main(["calibrate", str(seen), "--write", str(service), "--simulations", "2"]) == 0
    fitted = ServiceTimes.model_validate_json(service.read_text())
    assert fitted.hop == pytest.approx(0.5)
    assert main(["advise", "--service", str(service)]) == 0
    assert main(["calibrate", str(seen), "--service", str(service), "--simulations", "2"]) == 0
    assert "p95 off by" in capsys.readouterr().out
