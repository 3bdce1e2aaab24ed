"""deploy/ecs: by AWS's own description of its API, and by what the orchestrator knows."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from orchestrator.__main__ import CLOSE_SECONDS
from orchestrator.app import DRAIN_SECONDS
from tests.contract.deployment.environments import KNOWN, settings_of

TASK: dict[str, Any] = json.loads(Path("deploy/ecs/task-definition.json").read_text())
SERVICE: dict[str, Any] = json.loads(Path("deploy/ecs/service.json").read_text())
ROOM, CONTAINER = TASK["containerDefinitions"]


@pytest.mark.parametrize(("operation", "body"), [("RegisterTaskDefinition", TASK), ("CreateService", SERVICE)])
def test_it_is_by_the_api(operation: str, body: dict[str, Any]) -> None:
    shape = botocore.session.get_session().get_service_model("ecs").operation_model(operation).input_shape
    assert shape is not None
    assert ParamValidator().validate(body, shape).generate_report() == ""


def test_a_task_can_use_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {each["name"]: each["value"] for each in CONTAINER["environment"]}
    secrets = {each["name"] for each in CONTAINER["secrets"]}
    assert given.keys() | secrets <= KNOWN
    assert all(each["valueFrom"].endswith(f":{each['name']}::") for each in CONTAINER["secrets"])
    settings = settings_of(monkeypatch, tmp_path, given, secrets)
    ports = {settings.port, CONTAINER["portMappings"][0]["containerPort"], SERVICE["loadBalancers"][0]["containerPort"]}
    assert (settings.environment, ports) == ("production", {8080})


def test_it_rolls_without_a_gap_and_takes_itself_back() -> None:
    rolled = SERVICE["deploymentConfiguration"]
    assert SERVICE["desiredCount"] >= 2
    assert (rolled["minimumHealthyPercent"], rolled["maximumPercent"]) == (100, 200)
    assert rolled["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert CONTAINER["stopTimeout"] > 2 * (CLOSE_SECONDS + DRAIN_SECONDS)
    assert SERVICE["taskDefinition"] == TASK["family"]
    assert SERVICE["loadBalancers"][0]["containerName"] == CONTAINER["name"]


def test_a_task_is_locked() -> None:
    assert CONTAINER["user"].startswith("10001")
    assert CONTAINER["readonlyRootFilesystem"]
    assert CONTAINER["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert SERVICE["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    written = {mount["sourceVolume"] for mount in CONTAINER["mountPoints"]}
    assert written == {volume["name"] for volume in TASK["volumes"]}


def test_another_user_than_root_may_write_where_it_has_to() -> None:
    """Fargate gives a volume to root, with 0755: a container before ours opens it, and does nothing else."""
    assert CONTAINER["dependsOn"] == [{"containerName": ROOM["name"], "condition": "SUCCESS"}]
    assert ROOM["mountPoints"] == CONTAINER["mountPoints"]
    [mount] = ROOM["mountPoints"]
    assert (ROOM["user"], ROOM["essential"]) == ("0:0", False)
    assert ROOM["command"] == ["chmod", "1777", mount["containerPath"]]
    assert ROOM["image"] == CONTAINER["image"]
