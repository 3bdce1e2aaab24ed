"""What a worker will make of the variables that the file gives it; never of those of this machine. Pure."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from deploy.desired import settings_from
from models.environment import READ_BY_WORKERS, names
from shared.artifacts import S3Settings
from shared.worker.settings import WorkerSettings


def trouble(env: Mapping[str, str]) -> Iterator[str]:
    """Variable by variable, what would end a worker at its start or be read by nobody."""
    known = {name for kind in READ_BY_WORKERS for name in names(kind)}
    prefixes = tuple(str(kind.model_config.get("env_prefix")) for kind in READ_BY_WORKERS)
    yield from (f"no worker reads {name}" for name in sorted(env) if name.startswith(prefixes) and name not in known)
    for kind in (WorkerSettings, S3Settings):
        try:
            settings_from(kind, env)
        except KeyError as error:
            yield f"{error.args[0]} is missing in env and secrets"
        except ValidationError as error:
            for row in error.errors(include_url=False, include_input=False, include_context=False):
                where = ".".join(map(str, row["loc"]))
                yield f"{kind.__name__} {where}: {row['msg'].removeprefix('Value error, ')}"
