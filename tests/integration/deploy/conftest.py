from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy import desired as files
from deploy.__main__ import main
from tests.integration.deploy.rest_server import KEY, RestServer, serving

EXAMPLE = Path(__file__).with_name("endpoints.toml")


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


Deploy = Callable[..., Done]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.toml"
    path.write_text(EXAMPLE.read_text())
    return path


@pytest.fixture
def server(file: Path) -> Iterator[RestServer]:
    with serving() as found:
        found.account.secrets = [name for row in files.load(file).endpoint for name in row.secrets.values()]
        yield found


@pytest.fixture
def deploy(
    server: RestServer, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Deploy:
    """Runs the command as a person does; its status and what it printed."""
    monkeypatch.delenv("RUNPOD_API_KEY_FILE", raising=False)
    for name, value in {"API_KEY": KEY, "REST_URL": server.url, "REST_WAIT_SECONDS": "0.01"}.items():
        monkeypatch.setenv(f"RUNPOD_{name}", value)

    def run(*arguments: str) -> Done:
        status = main(["--file", str(file), *arguments])
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        return Done(status, said.out, said.err)

    return run


@pytest.fixture
def edit(file: Path) -> Callable[[str, str], None]:
    """Changes the desired state."""

    def replace(old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return replace
