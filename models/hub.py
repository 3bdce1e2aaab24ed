"""Where a file lies on the hub and on a mirror."""

from urllib.parse import quote

from models.answers import Address
from models.settings import ModelsSettings
from shared import models
from shared.models import ModelFile, Repository

NEWEST = "main"
"""The hub's name for what is newest, where nothing is pinned."""


def repository_of(file: ModelFile) -> Repository:
    """ValueError for a file that is split from another."""
    if file.repository is None:
        raise ValueError(f"{file.role} comes from no repository")
    return models.repositories()[file.repository]


def on_hub(file: ModelFile, settings: ModelsSettings, revision: str | None = None) -> Address:
    """At the pinned revision, unless another is given."""
    repository = repository_of(file)
    path = file.path_in_repository
    at = revision or repository.revision or NEWEST
    return _on_hub(repository, f"{quote(repository.name)}/resolve/{at}/{quote(path)}", path, settings)


def api(repository: Repository, rest: str, settings: ModelsSettings) -> Address:
    """A question to the hub's API about a repository."""
    return _on_hub(repository, f"api/models/{quote(repository.name)}/{rest}", "", settings)


def _on_hub(repository: Repository, where: str, path: str, settings: ModelsSettings) -> Address:
    secret = settings.secret()
    return Address(
        url=f"{settings.hub}/{where}",
        label=f"{repository.name}/{path}".rstrip("/"),
        token=secret.get_secret_value() if secret else None,
        terms=f"{settings.hub}/{repository.name}" if repository.gated else None,
    )


def on_mirror(file: ModelFile, settings: ModelsSettings) -> Address | None:
    if settings.mirror is None:
        return None
    path = f"{file.folder}/{file.name}"
    return Address(url=f"{settings.mirror}/{quote(path)}", label=f"{path} on the mirror")
