"""What is refused although RunPod might take it, as a table: file, account, words."""

from typing import Any

import pytest

from deploy.desired import Desired
from deploy.findings import PLACEHOLDER, findings
from deploy.state import Account, Gpu, Seen, VolumeState
from tests.integration.deploy.account import GPUS
from tests.unit.deploy.accounts import COMMITTED, EXAMPLE, desired, endpoint, only

CARDS = tuple(Gpu(row["id"], row["pool"], row["memory"]) for row in GPUS)
SECRETS = frozenset(name for row in EXAMPLE.endpoint for name in row.secrets.values())
RELEASE = {"registry": "docker.io/mivo", "tag": "v1"}
WEIGHTS = {"name": "mivo-ltx2-w", "size_gb": 100, "data_center": "US-KS-2"}


def account(**changes: Any) -> Account:
    return Account(**{"endpoints": (), "volumes": (), "gpus": CARDS, "secrets": SECRETS, **changes})


def volume(size: int = 100, center: str = "US-KS-2", kind: str = "STANDARD") -> Seen:
    return Seen("v1", "mivo-ltx2-w", "", VolumeState(size, center, kind))


def said(goal: Desired, there: Account) -> list[str]:
    return [finding.text for finding in findings(goal, there) if finding.blocks]


def test_the_committed_file_lacks_only_what_nobody_here_can_know() -> None:
    secrets = frozenset(name for row in COMMITTED.endpoint for name in row.secrets.values())
    credential = COMMITTED.release.credential
    there = account(secrets=secrets, credentials=((credential, "1"),) if credential else ())
    assert [text for text in said(COMMITTED, there) if PLACEHOLDER not in text] == []
    assert said(EXAMPLE, account()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gpu_pools": ["ADA_32"], "excluded_gpus": []}, "has no GPU pool ADA_32; it has ADA_24, ADA_48_PRO,"),
        ({"gpu_pools": ["AMPERE_24"], "excluded_gpus": []}, "'NVIDIA L4' in AMPERE_24 has 24 GB, and 48 are needed"),
        ({"gpu_pools": ["AMPERE_80"], "excluded_gpus": ["NVIDIA L4"]}, "'NVIDIA L4' is in none of its gpu_pools"),
        ({"gpu_pools": ["ADA_80_PRO"], "excluded_gpus": ["NVIDIA H100 80GB HBM3"]}, "leaves no GPU"),
        ({"vram_gb": 40}, "vram_gb is 40, and its worker refuses to start with less than 44"),
        ({"env": {"WORKER_QUALITY": "fast"}}, "base_gen: no worker reads WORKER_QUALITY"),
        ({"env": {"S3_PART_BYTES": "1"}}, "S3Settings part_bytes: Input should be greater than or equal to"),
        ({"secrets": {"S3_ACCESS_KEY_ID": "x"}}, "S3_SECRET_ACCESS_KEY is missing in env and secrets"),
        ({"container_disk_gb": 100}, "container_disk_gb is 100, and needs 103 (weights 81, image 12, work 10)"),
        ({"env": {"WORKER_PRECISIONS": "fp8,full"}}, "needs 214"),
        ({"env": {"HOME_PAGE": f"https://{PLACEHOLDER}.example.com"}}, "base_gen.env.HOME_PAGE still says"),
    ],
)
def test_an_endpoint_that_would_not_work(changes: dict[str, Any], says: str) -> None:
    assert any(says in text for text in said(desired(endpoint=[endpoint(**changes)]), account()))


@pytest.mark.parametrize(
    ("changes", "there", "says"),
    [
        ({"env": {"S3_BUCKET": "ltx2", "S3_REGION": "auto"}}, {}, "S3_REGION is needed with AWS"),
        ({"env": {"S3_REGION": "x"}}, {}, "S3_BUCKET is missing in env and secrets"),
        ({"release": {"registry": f"docker.io/{PLACEHOLDER}", "tag": "v1"}}, {}, "release.registry still says"),
        ({"env": {"S3_BUCKET": PLACEHOLDER}}, {}, "env.S3_BUCKET still says"),
        ({}, {"secrets": SECRETS - {"mivo_ltx2_base_gen_s3_access_key_id"}}, "no secret is called mivo_ltx2_base_gen_"),
        ({"release": {**RELEASE, "credential": "hub"}}, {}, "no registry credential is called 'hub'"),
        (
            {"release": {**RELEASE, "credential": "hub"}},
            {"credentials": (("hub", "1"), ("hub", "2"))},
            "several registry credentials are called 'hub'",
        ),
        ({"volume": [WEIGHTS]}, {"volumes": (volume(size=200),)}, "has 200 GB and cannot shrink to 100: say 200"),
        ({"volume": [WEIGHTS]}, {"volumes": (volume(center="EU"),)}, "cannot become STANDARD in US-KS-2"),
        (
            {"volume": [{**WEIGHTS, "type": "HIGH_PERFORMANCE"}]},
            {"volumes": (volume(),)},
            "cannot become HIGH_PERFORMANCE in US-KS-2",
        ),
        ({"volume": [WEIGHTS]}, {"volumes": (volume(), volume())}, "several volumes are called mivo-ltx2-w"),
        (
            {"volume": [{**WEIGHTS, "size_gb": 50}], "endpoint": [endpoint(volumes=["mivo-ltx2-w"])]},
            {},
            "volume mivo-ltx2-w has 50 GB, and the weights need 81",
        ),
    ],
)
def test_an_account_that_is_not_ready(changes: dict[str, Any], there: dict[str, Any], says: str) -> None:
    assert any(says in text for text in said(desired(**changes), account(**there)))


def test_weights_on_a_volume_need_no_disk() -> None:
    goal = desired(volume=[WEIGHTS], endpoint=[endpoint(volumes=["mivo-ltx2-w"], container_disk_gb=22)])
    assert said(goal, account()) == []


def test_secrets_that_cannot_be_listed_are_named_for_a_person_to_look() -> None:
    (note,) = findings(only(), account(secrets=None))
    assert not note.blocks
    assert "mivo_ltx2_base_gen_s3_access_key_id, mivo_ltx2_base_gen_s3_secret_access_key" in note.text
