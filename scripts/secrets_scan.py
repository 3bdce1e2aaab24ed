"""Fails when a file of the repository seems to hold a secret.

detect-secrets finds them; a false alarm carries `pragma: allowlist secret`.
"""

import subprocess
import sys

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

SKIPPED = (".lock", ".png", ".mp4", "package-lock.json")  # hashes by the thousand, and binaries


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = [name for name in listed.stdout.split("\n") if name and not name.endswith(SKIPPED)]
    found = 0
    with default_settings():
        for name in names:
            for secret in scan_file(name):
                found += 1
                print(f"{name}:{secret.line_number}: {secret.type}")
    print(f"secrets scan: {len(names)} files, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
