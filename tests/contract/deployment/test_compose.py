"""deploy/compose: by the compose specification, and by what the orchestrator knows.

compose-spec.json is the specification's own schema (Apache-2.0, see compose-spec.LICENSE), as the wheel of
check-jsonschema 0.39.0 carries it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from orchestrator.__main__ import CLOSE_SECONDS
from orchestrator.api.body import LIMIT
from orchestrator.app import DRAIN_SECONDS
from orchestrator.inputs import AT_ONCE
from shared.media.users import MAX_BYTES
from tests.contract.deployment.environments import KNOWN, settings_of

FOLDER = Path("deploy/compose")
FILE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if "ORCHESTRATOR_IMAGE" in service["image"]}
REPLICAS = {"orchestrator-a", "orchestrator-b"}
PINNED = re.compile(r"[\w./-]+:[\w.-]*\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}|\$\{ORCHESTRATOR_IMAGE:\?.+}")
CADDY = (2, 7)
"""The first that knows `request_buffers`."""
ROOT_SERVICES = {"caddy"}
"""Whose image leaves no choice; said so beside it."""


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()  # type: ignore[union-attr]  # else: fail
    return int(number) * (60 if unit == "m" else 1)


def dotenv(name: str) -> dict[str, str]:
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_it_is_by_the_specification() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    assert [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(FILE)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_bounded_and_locked(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"])
    once = service["restart"] == "no"
    assert service["healthcheck"].get("disable", False) == once
    assert once or service["restart"] == "unless-stopped"
    assert once or {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert seconds(service["stop_grace_period"]) >= 15
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} == service["logging"]["options"].keys()
    user = str(service.get("user", "0")).partition(":")[0]
    assert (user == "0") == (name in ROOT_SERVICES)
    assert ("cap_add" in service) == (name in ROOT_SERVICES)


def test_every_path_is_here_and_every_secret_a_file_that_git_ignores() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (FOLDER / source).is_file() if source.startswith(".") else source in FILE["volumes"], mount
        for path in service.get("env_file", []):
            assert (FOLDER / f"{path}.example").is_file()
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in FILE["secrets"]
    files = [secret["file"] for secret in FILE["secrets"].values()]
    assert all(Path(file).parent == Path("secrets") for file in files)
    assert (FOLDER / "secrets/.gitignore").read_text().splitlines() == ["*", "!.gitignore"]
    assert set((FOLDER / ".gitignore").read_text().splitlines()) == {"orchestrator.env", ".env"}


def test_a_replica_can_use_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert OURS.keys() == REPLICAS | {"migrate"}
    for service in OURS.values():
        given = dotenv("orchestrator.env.example") | service["environment"]
        assert given.keys() <= KNOWN
        variables = {name: re.sub(r"\$\{DOMAIN.*?}", "x.example", value) for name, value in given.items()}
        secrets = {secret["target"] for secret in service["secrets"]}
        settings = settings_of(monkeypatch, tmp_path, variables, secrets)
        assert settings.environment == "production"
        assert str(settings.public_url) == "https://x.example/"
        assert variables["SECRETS_DIR"] == "/run/secrets"
    assert dotenv(".env.example").keys() == set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))


def test_a_replica_has_the_time_for_a_polite_stop_and_waits_for_its_schema() -> None:
    for name in REPLICAS:
        assert seconds(SERVICES[name]["stop_grace_period"]) > 2 * (CLOSE_SECONDS + DRAIN_SECONDS)
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["command"][-2:] == ["orchestrator", "migrate"]


def test_a_replica_has_room_for_all_the_inputs_that_it_takes_at_once() -> None:
    for name in REPLICAS:
        [mount] = SERVICES[name]["tmpfs"]
        size, memory = re.search(r"size=(\d+)g", mount), SERVICES[name]["deploy"]["resources"]["limits"]["memory"]
        assert size is not None
        assert int(size[1]) * 2**30 > AT_ONCE * MAX_BYTES
        assert int(memory.removesuffix("g")) >= int(size[1]) + 1, "what lies in a tmpfs counts as memory"


def test_only_the_proxy_is_reached_from_outside() -> None:
    for name, service in SERVICES.items():
        ports = service.get("ports", [])
        assert name == "caddy" or all(port.startswith("127.0.0.1:") for port in ports)
    assert FILE["networks"]["data"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["data"]


def test_the_parts_know_each_other_by_name() -> None:
    caddyfile = (FOLDER / "Caddyfile").read_text()
    upstreams = {f"{name}:{SERVICES[name]['environment']['PORT']}" for name in REPLICAS}
    assert set(re.findall(r"orchestrator-\w+:\d+", caddyfile)) == upstreams
    assert "path /readyz /metrics" in caddyfile
    [kept] = re.findall(r"request_buffers (\d+)KiB", caddyfile)
    assert int(kept) * 1024 > LIMIT, "a body that is not kept whole cannot be sent again"
    prometheus = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    [job] = prometheus["scrape_configs"]
    assert (job["job_name"], set(job["static_configs"][0]["targets"])) == ("ltx2", upstreams)
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    assert prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    mounted = {path for mount in SERVICES["prometheus"]["volumes"] for path in mount.split(":")[1:2]}
    assert set(prometheus["rule_files"]) <= mounted
    [receiver] = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["receivers"]
    assert receiver["slack_configs"][0]["api_url_file"] == f"/run/secrets/{SERVICES['alertmanager']['secrets'][0]}"
    [source] = yaml.safe_load((FOLDER / "grafana/datasources.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((FOLDER / "grafana/dashboards.yml").read_text())["providers"]
    assert any(mount.split(":")[1].startswith(provider["options"]["path"]) for mount in SERVICES["grafana"]["volumes"])


@pytest.mark.parametrize(
    "command",
    [
        ("caddy", "validate", "--adapter", "caddyfile", "--config", "Caddyfile"),
        ("promtool", "check", "config", "--syntax-only", "prometheus.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ],
    ids=lambda command: command[0],
)
def test_their_own_tools_take_the_files(command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here (Debian's packages prometheus, prometheus-alertmanager; Caddy's own)")
    if command[0] == "caddy":
        said = subprocess.run(["caddy", "version"], check=True, capture_output=True, text=True, timeout=60).stdout
        if tuple(map(int, re.findall(r"\d+", said)[:2])) < CADDY:
            pytest.skip(f"caddy {said.strip()} is older than {CADDY}")
    done = subprocess.run(
        command,
        cwd=FOLDER,
        env={"PATH": str(Path(shutil.which(command[0]) or "").parent), "DOMAIN": "x.example", "HOME": "/nowhere"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
