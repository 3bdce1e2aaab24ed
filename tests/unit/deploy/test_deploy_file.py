"""The desired state: what the committed file says, and what no file may say."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from deploy import findings as checks
from deploy.desired import SECRET, load
from models.selection import needed, total
from orchestrator.plan import make_plan
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Quality, Stage
from shared.errors import UserError
from tests.unit.deploy.accounts import COMMITTED, EXAMPLE, desired, endpoint, only


def test_there_is_one_endpoint_a_stage() -> None:
    assert [row.stage for row in COMMITTED.endpoint if not row.large] == [*Stage]
    assert [EXAMPLE.name(row) for row in EXAMPLE.endpoint] == [
        "mivo-ltx2-base-gen",
        "mivo-ltx2-spatial-upscale",
        "mivo-ltx2-temporal-upscale",
    ]


@pytest.mark.parametrize("row", COMMITTED.endpoint, ids=lambda row: row.key)
def test_the_disk_holds_the_weights_the_image_and_the_work(row: Any) -> None:
    need = total(needed([row.stage], COMMITTED.worker(row))).bytes / 1e9 + checks.IMAGE_GB + checks.WORK_GB
    assert need <= row.container_disk_gb
    assert not [*checks.disk(COMMITTED, row)]


def test_the_image_is_one_that_the_bake_file_makes() -> None:
    bake = Path("dockerfiles/docker-bake.hcl").read_text()
    tags = [re.split(r"\$\{[^}]+\}", tag) for tag in re.findall(r'tags += \["\$\{REGISTRY\}(.+)"\]', bake)]
    patterns = [re.compile(".+".join(map(re.escape, parts))) for parts in tags]
    for row in COMMITTED.endpoint:
        name = COMMITTED.image(row).removeprefix(f"{COMMITTED.release.registry}/")
        assert any(pattern.fullmatch(name) for pattern in patterns), name
        assert not any(pattern.fullmatch(name.replace(row.image, "other")) for pattern in patterns)


def test_execution_timeouts_are_those_of_the_longest_plans() -> None:
    """RunPod's own limit is for jobs without a policy; one that were shorter than a plan's might end a good run."""
    longest = dict.fromkeys(Stage, 0)
    toggles = product((True, False), repeat=4)
    for quality, (spatial, detailer, temporal, control) in product(Quality, toggles):
        asked: dict[str, Any] = {
            "prompt": "x",
            "quality": quality,
            "resolution": "1080p",
            "duration": 20,
            "spatial_upscale": spatial,
            "detailer": detailer,
            "temporal_upscale": temporal,
            "image_urls": ["https://example.com/a.png"],
        }
        asked |= {"steps": 40} if quality is Quality.PRO else {}
        asked |= {"control": {"type": "depth", "source": "image"}} if control else {}
        made = make_plan(GenerationRequest.model_validate(asked), seed=1)
        for step in made.stages:
            longest[step.stage] = max(longest[step.stage], step.deadline_seconds)
    for row in COMMITTED.endpoint:
        assert longest[row.stage] <= row.execution_timeout_seconds <= longest[row.stage] * 1.02


def test_it_holds_no_secret_and_each_stage_has_keys_of_its_own() -> None:
    names = [name for row in COMMITTED.endpoint for name in row.secrets.values()]
    assert len(set(names)) == len(names), "each worker has a policy of its own"
    for row in COMMITTED.endpoint:
        assert not [name for name in (*COMMITTED.env, *row.env) if SECRET.search(name)]
        assert {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"} <= row.secrets.keys()
        assert Path(f"deploy/s3-policies/{row.stage}.json").exists()


def test_the_worker_of_a_file_reads_the_file_and_not_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_QUALITIES", "fast")
    assert EXAMPLE.worker(EXAMPLE.endpoint[0]).qualities == tuple(Quality)
    narrow = only(env={"WORKER_QUALITIES": "fast", "WORKER_OPTIONS": "camera"})
    assert narrow.worker(narrow.endpoint[0]).qualities == (Quality.FAST,)
    assert checks.weights(narrow, narrow.endpoint[0]) < 50


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workers_min": 3}, "workers_min is larger than workers_max"),
        ({"workers_max": 9}, "adds up to 9, over the account's workers_quota of 5"),
        ({"scaler": "request_count"}, "RunPod refuses idle_timeout_seconds"),
        ({"scaler": "request_count", "idle_timeout_seconds": None, "scaler_value": 1.5}, "counts jobs"),
        ({"idle_timeout_seconds": None}, "idle_timeout_seconds is needed"),
        ({"env": {"HF_TOKEN": "x"}}, "HF_TOKEN belongs under secrets"),
        ({"env": {"SOMETHING": "x"}, "secrets": {"SOMETHING": "y"}}, "both in env and in secrets"),
        ({"secrets": {"HF_TOKEN": "RUNPOD_SECRET_hf"}}, "the name of the secret alone"),
        ({"volumes": ["mivo-ltx2-weights"]}, "no such volume: mivo-ltx2-weights"),
        ({"env": {"WORKER_QUALITIES": "good"}}, "qualities"),
        ({"gpu_pools": []}, "at least 1 item"),
        ({"gpu_count": 2}, "less than or equal to 1"),
        ({"min_cuda_version": "12"}, "match pattern"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_an_endpoint_that_cannot_be(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        only(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"endpoint": [endpoint(), endpoint()]}, "two endpoints of the same kind"),
        ({"release": {"registry": "docker.io/x", "tag": "latest"}}, "leaves workers on the old image"),
        ({"prefix": "x"}, "match pattern"),
        ({"volume": [{"name": "other", "size_gb": 10, "data_center": "US-KS-2"}]}, "begin with 'mivo-ltx2-'"),
        ({"volume": [{"name": "mivo-ltx2-a", "size_gb": 10, "data_center": "US-KS-2"}] * 2}, "have the same name"),
        (
            {
                "volume": [{"name": f"mivo-ltx2-{at}", "size_gb": 10, "data_center": "US-KS-2"} for at in "ab"],
                "endpoint": [endpoint(volumes=["mivo-ltx2-a", "mivo-ltx2-b"])],
            },
            "two volumes in one data centre",
        ),
        (
            {
                "volume": [{"name": "mivo-ltx2-a", "size_gb": 10, "data_center": "US-KS-2"}],
                "endpoint": [endpoint(volumes=["mivo-ltx2-a"], data_centers=["EU-RO-1"])],
            },
            "US-KS-2, which is not in data_centers",
        ),
    ],
)
def test_a_file_that_cannot_be(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        desired(**changes)


def test_a_wrong_file_is_told_whole_and_without_its_values(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.toml"
    text = Path("tests/integration/deploy/endpoints.toml").read_text()
    path.write_text(text.replace("vram_gb = 24", 'vram_gb = "much"').replace("flashboot = true", "flashboot = 7", 1))
    with pytest.raises(UserError) as caught:
        load(path)
    said = str(caught.value)
    assert "endpoint.2.vram_gb: " in said
    assert "endpoint.0.flashboot: " in said
    assert "much" not in said
    path.write_text("[[")
    with pytest.raises(UserError, match="is no TOML"):
        load(path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load(tmp_path / "none")
