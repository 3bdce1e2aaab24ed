"""Runs a command that dies with its parent: `python tether.py PARENT_PID COMMAND...` (Linux).

PR_SET_PDEATHSIG makes the kernel kill this process when the thread that started it ends, also after kill -9, and
it survives exec. A process of its own instead of `preexec_fn`, which may deadlock in a program with threads.
Imports nothing of ours: it is run as a file.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before prctl
        sys.exit("the parent has ended already")
    os.execvp(command[0], command)  # noqa: S606  the command is the worker's own setting


if __name__ == "__main__":
    main()
