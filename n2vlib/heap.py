"""Memory that is freed stays with this process, for the next array of its kind."""

import ctypes
import sys
from contextlib import suppress

_TRIM, _MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_LARGEST = 1 << 28  # bytes: what a layer puts out for a batch of images is smaller


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 256 MB; other C libraries do as they do.

    As it comes, glibc asks the system for every array of more than 32 MB and gives it back, and the system clears each
    page of it anew: a third of the seconds of a forward pass through SqueezeNet.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP, _LARGEST)
            mallopt(_TRIM, _LARGEST)
