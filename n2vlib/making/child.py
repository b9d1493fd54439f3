"""Child processes that end with the process that started them, however that one ended and whatever they compute."""

import os
import sys

from jupyter_client.manager import AsyncKernelManager

# 1: PR_SET_PDEATHSIG, which a program keeps that takes the process over; 9: SIGKILL. Then: is the parent still there?
_TIED = """import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])"""


def tied(command: list[str]) -> list[str]:
    """The command, for a child that Linux ends when this process ends; on other systems, the command as it is.

    The thread that starts the child must live as long as the child should.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


class TiedKernels(AsyncKernelManager):
    """Starts kernels that end with this process.

    ipykernel's own watch for its parent waits while a cell keeps Python's lock, and misses a parent that ends before
    the watch begins, unless process 1 takes the kernel over.
    """

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        return tied(super().format_kernel_cmd(extra_arguments))
