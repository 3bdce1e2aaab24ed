import subprocess
import sys


def test_the_settings_page_says_what_the_settings_are() -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.settings_docs", "--check"], check=False, timeout=60)
    assert done.returncode == 0, "docs/settings.md is old; run `make docs`"
