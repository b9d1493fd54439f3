"""Child processes that end when their parent process ends, for whatever reason and whatever they are computing."""

import os
import sys

from n2vlib.workers.pool import TIED


def tied(command: list[str]) -> list[str]:
    """The command, for a child that Linux ends when this process ends; on other systems, the command as it is.

    The thread that starts the child must live as long as the child should.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", TIED, str(os.getpid()), *command]


def end_with(parent: int) -> None:
    """In a forked process, on Linux: end when the process with this number, its parent, ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != parent:
        os._exit(1)
