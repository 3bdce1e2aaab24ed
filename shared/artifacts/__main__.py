"""`python -m shared.artifacts setup`: make the bucket of the `S3_*` settings ready."""

import sys

from pydantic import ValidationError

from shared.artifacts.bucket import setup
from shared.artifacts.settings import S3Settings
from shared.errors import MivoError


def main(arguments: list[str]) -> int:
    if arguments != ["setup"]:
        sys.stderr.write("usage: python -m shared.artifacts setup\n")
        return 2
    try:
        settings = S3Settings()
        setup(settings)
    except (ValidationError, MivoError) as error:
        sys.stderr.write(f"{_reason(error)}\n")
        return 1
    sys.stdout.write(f"the bucket {settings.bucket} is ready\n")
    return 0


def _reason(error: ValidationError | MivoError) -> str:
    if isinstance(error, MivoError):
        return str(error)
    # without the values: one of them is the secret key
    problems = [f"S3_{'_'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in error.errors()]
    return "wrong settings:\n" + "\n".join(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
