"""Where the processor's time goes, in every Python process of a tree that has this folder in PYTHONPATH.

Python imports a module of this name when it starts. Each 20 ms that the process computes, the time is booked to what
its main thread is doing: the frames inside the library, a frame that tells a phase, the chapter that is executed, the
file of tests that pytest is at, also where a test has started the process. The books lie in $N2V_SAMPLES/<pid>.json and
are at most half a second old when a process is killed. (py-spy samples too, but counts threads and not seconds:
compiled kernels on two cores would count once.)
"""

import atexit
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

STEP, KEEP = 0.02, 0.5  # seconds of the processor
PHASES = ("<frozen importlib", "/torch/nn/modules/", "/PIL/", "/altair/", "/vl_convert", "/numba/core/", "/sphinx/")


class Books:
    """What one process has spent, by stack and by test, and which chapters it has executed since when."""

    def __init__(self) -> None:
        self.file = Path(os.environ["N2V_SAMPLES"]) / f"{os.getpid()}.json"
        self.start, self.spent, self.kept = time.monotonic(), 0.0, 0.0
        self.seconds: Counter[str] = Counter()
        self.tests: Counter[str] = Counter()
        self.chapters: list[tuple[float, str]] = []
        signal.signal(signal.SIGPROF, self.sample)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, STEP, STEP)
        self.keep()

    def sample(self, _: int, frame) -> None:
        names, phase = [], ""
        while frame is not None:
            path, name = frame.f_code.co_filename, frame.f_code.co_name
            if "/n2vlib/" in path:
                names.append(f"{path.rpartition('/n2vlib/')[2]}:{name}")
                if names[-1] in ("making/book.py:execute", "builder/book.py:execute"):
                    self.executes(str(frame.f_locals.get("chapter")))
            phase = phase or next((known for known in PHASES if known in path), "")
            frame = frame.f_back
        self.book(f"{';'.join(reversed(names))} {phase}")

    def executes(self, chapter: str) -> None:
        if not self.chapters or self.chapters[-1][1] != chapter:
            self.chapters.append((time.monotonic(), chapter))

    def book(self, stack: str) -> None:
        now = time.process_time()
        self.seconds[stack] += now - self.spent
        self.tests[os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]] += now - self.spent
        self.spent = now
        if now - self.kept > KEEP:
            self.keep()

    def keep(self) -> None:
        self.kept = self.spent
        part = self.file.with_suffix(".part")
        known = {"parent": os.getppid(), "start": self.start, "chapters": self.chapters}
        known |= {"seconds": self.seconds, "tests": self.tests}
        part.write_text(json.dumps({"command": sys.argv[:4]} | known))
        part.rename(self.file)  # a test breaks Path.replace


def begin() -> None:
    global books
    books = Books()


def end() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    books.book("ending ")
    books.keep()


if "N2V_SAMPLES" in os.environ:
    begin()
    os.register_at_fork(after_in_child=begin)
    # The timer outlives exec, the handler does not, and the signal ends a program without one (ruff).
    sys.addaudithook(lambda event, _: signal.setitimer(signal.ITIMER_PROF, 0) if event == "os.exec" else None)
    atexit.register(end)
