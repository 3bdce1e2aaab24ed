"""The workers of the three stages, one package each.

RunPod's SDK asks `cpuinfo` for the processor's name while it is imported. That takes 0.5 to 1 s of a worker's cold
start, for a line that no worker prints (runpod 1.12.0, `serverless/utils/rp_debugger.py`). Without an answer it falls
back to "Unable to get processor info.". The line stands here because this runs before any handler imports the SDK.
"""

import cpuinfo

cpuinfo.get_cpu_info = dict
