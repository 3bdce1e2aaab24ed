"""What the command line says, and the lists of model files that the loaders offer."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from local.comfyui_preview.service.times import ServiceTimes
from shared.models import all_files


@dataclass(frozen=True)
class Settings:
    base: Path
    embeddings: Path
    disable_metadata: bool = False
    test_nodes: bool = False
    step_seconds: float = 0.0
    history_lag: float = 0.01  # seconds between execution_success and the history: a real server has such a gap
    service_times: ServiceTimes | None = None  # sleep so long instead of rendering
    stock: Path = Path("stock")  # folder of what is delivered then
    model_names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # folder -> file names

    def names(self, folder: str) -> list[str]:
        """The model files of a folder: those of shared/models.toml, of --model-names and below <base>/models."""
        known = {file.name for file in all_files().values() if file.folder == folder}
        known.update(self.model_names.get(folder, ()))
        root = self.base / "models" / folder
        known.update(str(path.relative_to(root)) for path in root.rglob("*.safetensors") if path.is_file())
        return sorted(known)


def read_model_names(path: Path) -> dict[str, tuple[str, ...]]:
    """A JSON file: {"checkpoints": ["a.safetensors"], ...}. Raises ValueError for anything else."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        raise ValueError(f"{path}: expected an object of folder -> list of file names")
    return {str(folder): tuple(str(name) for name in names) for folder, names in content.items()}
