"""The least that each component needs in S3, as AWS IAM policies (`deploy/s3-policies`), judged by SeaweedFS."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from local.identities import POLICIES, identities
from local.seaweed import Seaweed
from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.artifacts.client import code_of, connect
from shared.artifacts.probe import require_usable
from shared.contracts.vocabulary import Stage
from shared.errors import TransientError
from tests.fixtures_s3 import running_seaweed
from tests.integration.orchestrator.cloud import cloud_over
from tests.integration.orchestrator.fake_worker import FakeWorker
from tests.integration.orchestrator.scripted_runpod import ScriptedJob
from tests.integration.orchestrator.test_orchestrator_flow import png

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "ltx2-policies"
WORKERS = [str(stage) for stage in Stage]
MANIFESTS = tuple(f"manifests/{stage}" for stage in Stage)
PREFIXES = (*MANIFESTS, "latents", "videos", "inputs", "inputs/uploads", "setup", "elsewhere")
READS = {
    "orchestrator": {*MANIFESTS, "videos", "inputs", "inputs/uploads"},
    "base_gen": {"inputs", "inputs/uploads", "manifests/base_gen", "latents", "videos"},
    "spatial_upscale": {"inputs", "inputs/uploads", *MANIFESTS[:2], "latents", "videos"},
    "temporal_upscale": {*MANIFESTS, "latents", "videos"},
    "setup": set[str](),
}
WRITES = {
    "orchestrator": {"inputs", "inputs/uploads"},
    "base_gen": {"manifests/base_gen", "latents", "videos"},
    "spatial_upscale": {"manifests/spatial_upscale", "latents", "videos"},
    "temporal_upscale": {"manifests/temporal_upscale", "videos"},
    "setup": {"setup"},
}
DELETES = {"orchestrator": set(MANIFESTS), "setup": {"setup"}}
NAMES = sorted(READS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    folder = tmp_path_factory.mktemp("policies")
    with running_seaweed(folder, identities(BUCKET, "an operator's secret")) as running:
        setup(settings_of(running, "setup"))  # the identity of that name can do all of it
        operator = connect(settings_of(running))
        for prefix in PREFIXES:
            operator.put_object(Bucket=BUCKET, Key=f"{prefix}/there", Body=b"x")
        operator.close()
        yield running


def settings_of(server: Seaweed, who: str | None = None) -> S3Settings:
    keys = server.identity(who) if who else server
    return S3Settings(
        endpoint_url=server.endpoint_url,
        bucket=BUCKET,
        access_key_id=keys.access_key_id,
        secret_access_key=SecretStr(keys.secret_access_key),
        attempts=1,
    )


@pytest.fixture
def client_of(server: Seaweed) -> Iterator[Callable[[str], "S3Client"]]:
    with ExitStack() as stack:

        def connected(who: str) -> "S3Client":
            client = connect(settings_of(server, who))
            stack.callback(client.close)
            return client

        yield connected


def allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except ClientError as error:
        if code_of(error) == "AccessDenied":
            return False
        raise
    return True


def test_there_is_a_policy_for_each_component_and_no_other() -> None:
    assert sorted(path.stem for path in POLICIES.iterdir()) == sorted([*WORKERS, "orchestrator", "setup"])
    for path in POLICIES.iterdir():
        for statement in json.loads(path.read_text())["Statement"]:
            assert not any("*" in action for action in statement["Action"]), path
            assert all(resource.startswith("arn:aws:s3:::BUCKET") for resource in statement["Resource"]), path


@pytest.mark.parametrize("who", NAMES)
def test_what_each_may_read(client_of: Callable[[str], "S3Client"], who: str) -> None:
    client = client_of(who)
    found = {
        prefix
        for prefix in PREFIXES
        if allowed(lambda at=prefix: client.get_object(Bucket=BUCKET, Key=f"{at}/there"))  # type: ignore[misc]
    }
    assert found == READS[who]


@pytest.mark.parametrize("who", NAMES)
def test_what_each_may_write(client_of: Callable[[str], "S3Client"], who: str) -> None:
    client = client_of(who)

    def put(prefix: str) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/by-{who}", Body=b"x", IfNoneMatch="*")
        begun = client.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/parts-by-{who}")
        client.abort_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/parts-by-{who}", UploadId=begun["UploadId"])

    assert {prefix for prefix in PREFIXES if allowed(lambda at=prefix: put(at))} == WRITES[who]  # type: ignore[misc]


@pytest.mark.parametrize("who", NAMES)
def test_what_each_may_delete(client_of: Callable[[str], "S3Client"], who: str) -> None:
    client = client_of(who)
    found = {
        prefix
        for prefix in PREFIXES
        if allowed(lambda at=prefix: client.delete_object(Bucket=BUCKET, Key=f"{at}/never-there"))  # type: ignore[misc]
    }
    assert found == DELETES.get(who, set())
    answer = client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "videos/there"}]})
    assert answer["Errors"][0]["Code"] == "AccessDenied"
    client.head_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("who", [*WORKERS, "orchestrator"])
def test_what_none_of_those_that_run_may_do(client_of: Callable[[str], "S3Client"], who: str) -> None:
    client = client_of(who)
    source = {"Bucket": BUCKET, "Key": "elsewhere/there"}
    acts: list[Callable[[], object]] = [
        lambda: client.delete_bucket(Bucket=BUCKET),
        lambda: client.create_bucket(Bucket="another"),
        lambda: client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": []}),
        lambda: client.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
        lambda: client.put_object_acl(Bucket=BUCKET, Key="videos/there", ACL="public-read"),
        lambda: client.copy_object(Bucket=BUCKET, Key="videos/stolen", CopySource=source),  # type: ignore[arg-type]
        lambda: client.list_objects_v2(Bucket="another"),
    ]
    assert [allowed(act) for act in acts] == [False] * len(acts)


async def test_the_whole_chain_works_with_no_more_than_that(server: Seaweed, migrated_url: str) -> None:
    """A presigned upload in, three stages under three identities, a presigned video out, a repeat that reuses it."""
    with ExitStack() as stack:
        stores = {stage: stack.enter_context(ArtifactStore(settings_of(server, stage))) for stage in Stage}
        workers = {stage: FakeWorker(store) for stage, store in stores.items()}

        async def work(job: ScriptedJob) -> None:
            await workers[job.stage](job)

        async with (
            cloud_over(migrated_url, settings_of(server, "orchestrator")) as cloud,
            httpx.AsyncClient(trust_env=False) as user,
        ):
            cloud.runpod.worker = work
            assert (await cloud.http.get("/readyz")).status_code == 200
            body = png()
            slot = (await cloud.http.post("/api/uploads", json={"media_type": "image/png", "bytes": len(body)})).json()
            assert (await user.put(slot["url"], content=body, headers=slot["headers"])).is_success
            wanted: dict[str, Any] = {"upload_id": slot["upload_id"], "temporal_upscale": True, "seed": 1}
            for renders in (1, 1):
                done = await cloud.ended((await cloud.create(**wanted))["id"])
                assert done["state"] == "succeeded", done
                assert [worker.renders.total() for worker in workers.values()] == [renders] * 3
            for name in ("video_url", "download_url", "poster_url"):
                assert (await user.get(done["result"][name])).is_success
            # the manifests are discarded, so that a damaged work is made anew
            damaged = done["stages"][-1]["stage_key"]
            key = f"manifests/temporal_upscale/{damaged}.json"
            operator = connect(settings_of(server))
            operator.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
            operator.close()
            await cloud.ended((await cloud.create(**wanted))["id"])


@pytest.mark.parametrize("who", NAMES)
def test_a_worker_starts_only_with_the_keys_of_its_own_stage(server: Seaweed, who: str) -> None:
    """Keys that were mixed up are told before weights are fetched, not when a job wants to write."""
    for stage in Stage:
        if who == stage:
            require_usable(settings_of(server, who), stage)
            continue
        with pytest.raises(TransientError, match=r"storage refused our keys \(AccessDenied\)"):
            require_usable(settings_of(server, who), stage)
