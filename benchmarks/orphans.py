"""Processes whose parents have ended: a benchmark that counts or looks for all that it started is handed them."""

import ctypes
import sys


def adopt_orphans() -> None:
    """From now on a descendant of this process whose parent ends is its child. Only Linux can; elsewhere this exits."""
    if sys.platform != "linux":
        sys.exit(f"{sys.argv[0]} follows orphans as only Linux can; run it there")
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
