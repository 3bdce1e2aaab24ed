"""The tie of a process to the one that started it."""

import ctypes
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(number: signal.Signals) -> None:
    """The kernel sends this process `number` when the thread that started it ends, also after kill -9 (Linux).

    OSError where the kernel refuses. A change of user undoes it, exec does not. `shared/comfy/tether.py` does the same
    for a command that is not ours; it may import nothing.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
