from pathlib import Path

import pytest

from tests.comfyui import gpu_check
from workers.base_gen.stage import STAGE as BASE


def test_the_check_runs_stage_by_stage_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--preview", "--resolutions", "draft", "--qualities", "fast", "--kinds", "i2v", "--options", "plain"]
    assert gpu_check.main([*asked, "--out", str(tmp_path)]) == 0
    report = (tmp_path / "report.md").read_text()
    assert "preview" in report
    for stage in ("base_gen", "spatial_upscale", "temporal_upscale"):
        assert (tmp_path / f"draft-fast-i2v-{stage}.mp4").stat().st_size > 1000
        assert f"| draft-fast-i2v | {stage} |" in report
    assert "3 stage runs, 0 bad" in report
    assert report.count("| good |") == 3
    assert "report.md" in capsys.readouterr().out


def test_each_option_is_checked_once(tmp_path: Path) -> None:
    asked = ["--preview", "--resolutions", "draft", "--qualities", "fast", "--kinds", "t2v"]
    options = ["detailer", "canny"]  # a camera, and the other controls, are in test_comfyui_cells.py
    assert gpu_check.main([*asked, "--options", *options, "--out", str(tmp_path)]) == 0
    report = (tmp_path / "report.md").read_text()
    assert "6 stage runs, 0 bad" in report
    assert all(report.count(f"| draft-fast-t2v-{option} |") == 3 for option in options)


def test_a_stage_that_fails_is_a_row_and_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "CHAIN", (BASE, BASE))  # the base has no use for a manifest
    asked = ["--preview", "--resolutions", "draft", "--qualities", "fast", "--kinds", "t2v", "--options", "plain"]
    assert gpu_check.main([*asked, "--out", str(tmp_path)]) == 1
    report = (tmp_path / "report.md").read_text()
    assert "2 stage runs, 1 bad" in report
    assert "invalid_input" in report
