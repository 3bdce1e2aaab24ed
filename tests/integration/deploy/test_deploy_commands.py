"""The life of the endpoints by `python -m deploy`, against a server that speaks the REST API."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.settings import Settings
from tests.integration.deploy.conftest import Deploy
from tests.integration.deploy.rest_server import KEY, Manner, RestServer

Edit = Callable[[str, str], None]
NAMES = ["mivo-ltx2-base-gen", "mivo-ltx2-spatial-upscale", "mivo-ltx2-temporal-upscale"]


def test_a_plan_changes_nothing(server: RestServer, deploy: Deploy) -> None:
    done = deploy("plan")
    assert done.status == 0
    assert [f"  + create endpoint {name}" for name in NAMES] == [
        line for line in done.out.splitlines() if line.startswith("  +")
    ]
    assert done.out.splitlines()[-1] == "3 to create"
    assert server.writes() == []
    assert deploy("plan", "--detailed-exitcode").status == 2


def test_apply_makes_what_the_file_says_and_then_there_is_nothing_to_do(server: RestServer, deploy: Deploy) -> None:
    done = deploy("apply")
    assert done.status == 0, done.err
    assert server.writes() == ["POST /serverless"] * 3
    rows = {row["name"]: row for row in server.account.endpoints.values()}
    assert [*rows] == NAMES
    base = rows[NAMES[0]]
    assert base["image"] == "docker.io/mivo/mivo-ltx2-base-gen:v1"
    assert base["type"] == "QUEUE"
    assert base["gpu"] == {
        "pools": ["ADA_48_PRO", "ADA_80_PRO", "AMPERE_80"],
        "excludedTypes": ["NVIDIA L40", "NVIDIA RTX 6000 Ada Generation"],
        "count": 1,
        "minCudaVersion": "12.8",
        "allowedCudaVersions": [],
    }
    assert base["workers"] == {"min": 0, "max": 2, "idleTimeout": 60}
    assert base["scaling"] == {"type": "QUEUE_DELAY", "queueDelay": 10}
    assert (base["timeout"], base["flashboot"], base["disk"], base["ports"]) == (39_000_000, "FLASHBOOT", 120, [])
    assert base["env"] == {
        "RUNPOD_INIT_TIMEOUT": "1800",
        "S3_ACCESS_KEY_ID": "{{ RUNPOD_SECRET_mivo_ltx2_base_gen_s3_access_key_id }}",
        "S3_BUCKET": "mivo-ltx2",
        "S3_ENDPOINT_URL": "https://mivo.r2.cloudflarestorage.com",
        "S3_REGION": "auto",
        "S3_SECRET_ACCESS_KEY": "{{ RUNPOD_SECRET_mivo_ltx2_base_gen_s3_secret_access_key }}",
    }
    assert rows[NAMES[2]]["image"] == "docker.io/mivo/mivo-ltx2-temporal-upscale:v1-baked"
    again = deploy("plan", "--detailed-exitcode")
    assert (again.status, again.out.splitlines()[-1]) == (0, "Nothing to do: 3 as they shall be.")
    assert deploy("apply").status == 0
    assert len(server.writes()) == 3


def test_it_prints_the_orchestrators_variables(server: RestServer, deploy: Deploy) -> None:
    assert "not every endpoint exists yet" in deploy("env").err
    applied = deploy("apply").out
    printed = deploy("env")
    ids = [row["id"] for row in server.account.endpoints.values()]
    assert printed.out.splitlines() == [
        f"RUNPOD_{stage}_ENDPOINT_ID={known}"
        for stage, known in zip(("BASE_GEN", "SPATIAL_UPSCALE", "TEMPORAL_UPSCALE"), ids, strict=True)
    ]
    assert applied.endswith(printed.out)
    assert "workers first, then orchestrators" in applied
    variables = {line.partition("=")[0].lower() for line in printed.out.splitlines()}
    assert variables <= Settings.model_fields.keys()


def test_a_new_image_is_one_word_and_rolls_every_endpoint(server: RestServer, deploy: Deploy, edit: Edit) -> None:
    deploy("apply")
    edit('tag = "v1"', 'tag = "v2"')
    done = deploy("apply")
    assert done.status == 0, done.err
    assert "image: docker.io/mivo/mivo-ltx2-base-gen:v1 -> docker.io/mivo/mivo-ltx2-base-gen:v2" in done.out
    patches = [row.body for row in server.asked if row.what == "PATCH /serverless/*"]
    assert [[*body] for body in patches] == [["image"]] * 3
    server.rolling = True
    assert "mivo-ltx2-base-gen: rolling out, 1 of 2 workers on the latest" in deploy("status").out
    server.rolling = False
    assert "mivo-ltx2-base-gen: rolled out, 1 of 1 workers on the latest" in deploy("status").out


def test_what_runpod_scaled_down_after_a_week_of_silence_is_raised_again(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    base = next(iter(server.account.endpoints.values()))
    base["workers"]["max"] = 0
    done = deploy("apply")
    assert "workers_max: 0 -> 2" in done.out
    assert server.account.endpoints[base["id"]]["workers"] == {"min": 0, "max": 2, "idleTimeout": 60}


def test_what_somebody_typed_into_the_console_is_undone_and_not_shown(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    base = next(iter(server.account.endpoints.values()))
    base["env"] |= {"S3_ACCESS_KEY_ID": "AKIA-typed-by-hand", "S3_REGION": "typed-too", "MORE": "typed-as-well"}
    done = deploy("apply")
    assert done.status == 0
    assert "typed" not in done.out
    assert "env S3_REGION: (hidden) -> auto" in done.out
    assert "env MORE: (hidden) -> (none)" in done.out
    env = server.account.endpoints[base["id"]]["env"]
    assert env["S3_ACCESS_KEY_ID"] == "{{ RUNPOD_SECRET_mivo_ltx2_base_gen_s3_access_key_id }}"
    assert "MORE" not in env


def test_what_is_not_ours_is_shown_and_never_touched(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    body = {**next(row.body for row in server.asked if row.what == "POST /serverless"), "name": "mivo-ltx2-other"}
    foreign = server.account.create_endpoint(body)
    strange = {"id": "legacy1", "name": "somebodys", "type": "OLD"}  # not even as documented
    server.account.endpoints["legacy1"] = strange
    done = deploy("plan", "--detailed-exitcode")
    assert done.status == 0
    assert "    foreign endpoint somebodys (legacy1): not ours, never touched" in done.out
    assert deploy("destroy", "--yes").status == 0
    assert [*server.account.endpoints] == [foreign["id"], "legacy1"]


def test_destroy_shows_first_and_deletes_only_when_told(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    shown = deploy("destroy")
    assert shown.status == 0
    assert "3 to delete" in shown.out
    assert "say --yes" in shown.out
    assert len(server.account.endpoints) == 3
    assert deploy("destroy", "--yes").status == 0
    assert server.account.endpoints == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("workers_max = 1", "workers_max = 0"), "scales to zero"),
        (('stage = "temporal_upscale"\n', 'stage = "temporal_upscale"\nlarge = true\n'), "deletes an endpoint"),
    ],
)
def test_what_takes_something_away_needs_yes(
    server: RestServer, deploy: Deploy, edit: Edit, change: tuple[str, str], says: str
) -> None:
    deploy("apply")
    before = server.writes()
    edit(*change)
    refused = deploy("apply")
    assert refused.status == 1
    assert f"! {says}" in refused.out
    assert "nothing was done: say --yes" in refused.err
    assert server.writes() == before
    assert deploy("apply", "--yes").status == 0
    assert deploy("plan", "--detailed-exitcode").status == 0


def test_an_endpoint_of_the_wrong_type_is_replaced(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    old = next(row for row in server.account.endpoints.values() if row["name"] == NAMES[1])
    old["type"] = "LOAD_BALANCER"
    assert deploy("apply").status == 1
    done = deploy("apply", "--yes")
    assert done.status == 0, done.err
    assert "done: -/+ replace endpoint mivo-ltx2-spatial-upscale" in done.out
    assert old["id"] not in server.account.endpoints
    assert len(server.account.endpoints) == 3


def test_a_replaced_endpoint_is_not_taken_for_its_successor(server: RestServer, deploy: Deploy) -> None:
    deploy("apply")
    old = next(iter(server.account.endpoints.values()))
    old["type"] = "LOAD_BALANCER"
    server.behave("POST /serverless", Manner(dropped=True))
    # a list that lags behind still shows the one that was deleted
    server.before["POST /serverless"] = lambda: server.account.endpoints.update({old["id"]: old})
    done = deploy("apply", "--yes")
    assert done.status == 75
    assert "mivo-ltx2-base-gen is not there; it may still come" in done.err


def test_a_volume_comes_before_the_endpoints_that_mount_it(
    server: RestServer, deploy: Deploy, file: Path, edit: Edit
) -> None:
    edit("container_disk_gb = 120", 'container_disk_gb = 40\nvolumes = ["mivo-ltx2-weights"]')
    volume = '\n[[volume]]\nname = "mivo-ltx2-weights"\nsize_gb = 100\ndata_center = "US-KS-2"\n'
    file.write_text(file.read_text() + volume)
    assert deploy("apply").status == 0
    assert server.writes()[0] == "POST /network-volumes"
    base = next(iter(server.account.endpoints.values()))
    assert base["networkVolumes"] == [*server.account.volumes]
    edit("size_gb = 100", "size_gb = 200")
    assert "size: 100 -> 200" in deploy("apply").out
    edit("size_gb = 200", "size_gb = 150")
    assert "cannot shrink" in deploy("apply").out
    assert deploy("destroy", "--yes").status == 0
    assert len(server.account.volumes) == 1, "data is deleted only when asked for"
    assert deploy("destroy", "--yes", "--volumes").status == 0
    assert server.account.volumes == {}


def test_private_images_are_pulled_with_a_named_credential(server: RestServer, deploy: Deploy, edit: Edit) -> None:
    edit('# credential = "docker-hub"', 'credential = "docker-hub"')
    assert "no registry credential is called 'docker-hub'" in deploy("plan").out
    server.account.registries.append({"id": "reg1", "name": "docker-hub"})
    assert deploy("apply").status == 0
    assert {row["registry"] for row in server.account.endpoints.values()} == {"reg1"}
    edit('credential = "docker-hub"', "")
    assert "release.credential: docker-hub -> (none)" in deploy("apply").out
    assert {row["registry"] for row in server.account.endpoints.values()} == {None}


def test_the_key_may_come_from_a_file(
    server: RestServer, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("RUNPOD_API_KEY_FILE", str(tmp_path / "key"))
    assert "exactly one of RUNPOD_API_KEY and RUNPOD_API_KEY_FILE" in deploy("plan").err
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert deploy("plan").status == 0
    monkeypatch.setenv("RUNPOD_API_KEY_FILE", str(tmp_path / "none"))
    assert "cannot be read" in deploy("plan").err
    monkeypatch.setenv("RUNPOD_REST_URL", "http://api.runpod.io/v2")
    assert "must be https" in deploy("plan").err
    assert {row.authorization for row in server.asked} == {f"Bearer {KEY}"}
