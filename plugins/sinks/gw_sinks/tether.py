"""Runs a program that must not outlive its parent. Started as a script in a process of its own, then becomes the program.

    python -I -S tether.py PARENT_PID PID_FILE PROGRAM ARGUMENTS...

Done here and not between fork and exec in the gateway, where other threads make running Python unsafe. Imports nothing
that is slow.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
#: Exit code when the parent is gone already.
PARENT_GONE = 113


def main(arguments: list[str]) -> None:
    """Write our process id, tie us to the parent, become the program."""
    parent, pid_file, *command = arguments
    with open(pid_file + ".new", "w") as file:
        file.write(f"{os.getpid()}\n")
    os.replace(pid_file + ".new", pid_file)
    if sys.platform == "linux":
        # SIGTERM: the server closes its store in order. Elsewhere the next start ends what was left.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(PARENT_GONE)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
