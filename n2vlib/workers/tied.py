"""A script: make Linux end this process when process <1st argument> ends, then run the command that follows.

It is the first thing a child runs, before its imports, so that it also ends if its parent ends during these.
"""

import os
import sys

if sys.platform == "linux":
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: the program that takes the process over keeps it
    if os.getppid() != int(sys.argv[1]):  # it ended before
        os._exit(1)
if command := sys.argv[2:]:
    os.execvp(command[0], command)
