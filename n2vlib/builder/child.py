"""Child processes that end when their parent process ends, whatever they are computing; and how a process ends fast."""

import atexit
import os
import sys
from contextlib import suppress

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


def leave(code: int = 0) -> None:
    """End this process as Python does, but leave it to the system to free its memory: with torch, Python takes 0.6 s.

    Returns where the output cannot be written: then Python should end, which says so.
    """
    atexit._run_exitfuncs()
    with suppress(OSError):
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
