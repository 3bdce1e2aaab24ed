"""Each command of the pages for operators is run here, on a cloud (tests/e2e), or says that it needs an account."""

import importlib.util
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.__main__ import _parser as deploy_parser
from orchestrator.settings import ROLES
from tests.contract.deployment.blocks import PAGES, ROOT, Block, blocks, run
from tests.contract.deployment.environments import SECRETS, settings_of
from tests.contract.deployment.test_compose import FILE, SERVICES
from tests.contract.monitoring.test_alerts import anchors

MARKS = {"sh test", "sh cloud", "sh account", "sql test", "python account"}
BY_HAND = {"runpod_api_key", "s3_access_key_id", "s3_secret_access_key", "alert_url"}
"""Secrets that others give."""
COMMANDS = {"sh test", "sh cloud", "sh account"}


def test_every_block_says_who_runs_it() -> None:
    assert [str(block) for block in blocks() if block.info not in MARKS] == []
    assert {block.info for block in blocks()} == MARKS
    fences = sum(len(re.findall(r"^ *```", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(blocks()), "a fence is not closed"


@pytest.mark.parametrize("block", blocks("sh test", PAGES[:1]), ids=str)
def test_a_command_does_what_the_page_says(block: Block, tmp_path: Path) -> None:
    assert run(block, tmp_path) != ""


def test_the_secrets_of_one_machine_are_made_as_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "compose"
    shutil.copytree("deploy/compose", folder)
    for block in blocks("sh test", PAGES[1:2]):
        run(block, folder)
    made = {path.name for path in (folder / "secrets").iterdir()} - {".gitignore"}
    assert made | BY_HAND == FILE["secrets"].keys()
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / "secrets" / name).stat().st_mode) for name in made} == {0o644}
    text = {name: (folder / "secrets" / name).read_text() for name in made}
    assert text["postgres_password"] in text["database_url"]
    assert text["metrics_key"] == text["metrics_key"].strip(), "Prometheus sends what the file holds"
    for name in BY_HAND:
        (folder / "secrets" / name).write_text("from elsewhere")
    variables = dict(
        line.split("=", 1) for line in (folder / "orchestrator.env").read_text().splitlines() if "=" in line
    )
    settings = settings_of(monkeypatch, folder / "secrets", variables, set())
    roles = {key.name: {role for role in ROLES if getattr(key, role)} for key in settings.api_keys}
    assert roles == {"mivo": set(), "engineer": {"debug"}, "operator": {"admin"}, "prometheus": {"metrics"}}
    assert len(settings.webhook_secrets) == 1
    assert settings.database_url.get_secret_value() == text["database_url"]
    assert {secret.lower() for secret in SECRETS} <= FILE["secrets"].keys()


@pytest.mark.parametrize("block", [block for block in blocks() if block.info in COMMANDS], ids=str)
def test_a_command_is_written_as_a_shell_reads_it(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    for module in re.findall(r"python -m ([\w.]+)", block.text):
        assert importlib.util.find_spec(module), module
    for arguments in re.findall(r"^python -m deploy (.*)$", block.text, re.MULTILINE):
        deploy_parser().parse_args(shlex.split(arguments))
    for path in re.findall(r"(?:file://|-f )((?:deploy|dockerfiles)/[\w./-]+)", block.text):
        assert (ROOT / path).is_file(), path
    compose = re.findall(r"docker compose (?:exec(?: -T)?|run --rm|pull|up .*--wait|stop|start) ([\w-]+)", block.text)
    assert set(compose) <= SERVICES.keys() | {"--wait"}


def test_python_for_a_person_is_python() -> None:
    for block in blocks("python account"):
        compile(block.text, str(block.page), "exec")


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = {path.name: anchors(path.read_text()) for path in Path("docs").glob("*.md")}
    for page in PAGES:
        for target in re.findall(r"\]\(([^):]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            assert name in pages, f"{page.name} -> {target}"
            assert not anchor or anchor in pages[name], f"{page.name} -> {target}"
