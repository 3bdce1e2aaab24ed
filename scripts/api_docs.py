"""Writes docs/openapi.json and docs/api.md from the API itself; `--check` fails when one is not what it says.

What is written is the contract in production: without the draft tier.
"""

import json
import sys
from pathlib import Path

from orchestrator.app import create_app
from orchestrator.settings import Settings
from scripts.api_page import page
from scripts.places import kept
from shared.artifacts import S3Settings
from shared.fetcher import FetchSettings

DOCUMENT = Path("docs/openapi.json")
PAGE = Path("docs/api.md")


def written() -> dict[Path, str]:
    """The files and what they should hold."""
    settings = Settings.model_construct(  # no other setting shapes the document
        allow_draft=False, s3=S3Settings.model_construct(), fetch=FetchSettings.model_construct()
    )
    document = create_app(settings).openapi()
    return {DOCUMENT: json.dumps(document, indent=2, ensure_ascii=False) + "\n", PAGE: page(document)}


def main(arguments: list[str]) -> int:
    return kept(written(), check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
