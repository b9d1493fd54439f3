"""Keep freed memory in this process for the next array of the same size, and give it back when a pass is over."""

import ctypes
import sys
from contextlib import suppress

_TRIM, _MMAP = -1, -3  # mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_LARGEST = 1 << 28  # bytes: a layer's output for a batch of images is smaller


def keep_freed_memory() -> None:
    """Make glibc keep freed blocks of up to 256 MB; other C libraries are left unchanged.

    By default, glibc requests every array of more than 32 MB from the system and returns it, and the system clears each
    page of it again: a third of the time of a forward pass through SqueezeNet.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP, _LARGEST)
            mallopt(_TRIM, _LARGEST)


def give_back_freed_memory() -> None:
    """Return what is kept to the system; between batches of changing size the kept blocks fall to pieces and grow."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
