"""`python -m tests.integration.models.fetching <json>`: one fetch as a process of its own, to be killed by tests."""

import json
import sys
from pathlib import Path

from models.fetch import fetch
from models.progress import Lines
from models.settings import ModelsSettings
from shared.models import ModelFile

if __name__ == "__main__":
    said = json.loads(sys.argv[1])
    files = [ModelFile.model_validate(row) for row in said["files"]]
    fetch(files, Path(said["root"]), ModelsSettings.model_validate(said["settings"]), Lines())
