"""What a worker's process does before its first job costs GPU time."""

import subprocess
import sys

LOOK = """
import workers.base_gen.handler
from runpod.serverless.utils import rp_debugger
print(rp_debugger.PROCESSOR)
"""


def test_no_worker_looks_for_the_name_of_its_processor() -> None:
    """In a process of its own: in this one the SDK may have been imported before."""
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == "Unable to get processor info."
