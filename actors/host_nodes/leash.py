"""Becomes another program, which is killed when the process ends that started it: `leash PARENT PROGRAM [ARGUMENT...]`.

The system kills it when the *thread* that started it ends: that must be one that lives as long as its process.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Never returns."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it has ended before it was asked
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvp(command[0], command)  # noqa: S606 - a program of the machine, without a shell


if __name__ == "__main__":
    main()
