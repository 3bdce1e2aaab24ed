import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path("clients/typescript/src/api.ts")


@pytest.mark.parametrize("script", ["settings_docs", "api_docs", "operations_docs"])
def test_the_generated_pages_say_what_the_code_says(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{script}", "--check"], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}a generated page is old; run `make docs`"


def test_the_types_of_the_client_are_those_of_the_document() -> None:
    """The hash says so without Node; that the types follow from it is tested where Node is (tests/client)."""
    known = CLIENT.read_text().splitlines()[0].rpartition(" ")[2]
    document = hashlib.sha256(Path("docs/openapi.json").read_bytes()).hexdigest()
    assert known == document, f"{CLIENT} is of another docs/openapi.json; run `make docs`"
