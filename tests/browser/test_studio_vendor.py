"""The one file of others' code in the studio is what its lock says."""

import subprocess
from pathlib import Path

from tests.browser.studio import TOOLS, node_tool, with_node

VENDOR = Path("orchestrator/studio/vendor")


def test_the_vendored_file_is_what_the_lock_makes(tmp_path: Path) -> None:
    node_tool("esbuild")
    subprocess.run(["node", "bundle.mjs", str(tmp_path)], cwd=TOOLS, env=with_node(), check=True, timeout=60)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in VENDOR.iterdir()}
