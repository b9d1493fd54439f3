"""Map over worker processes that never run the user's script and never outlive the process that started them."""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from threading import Lock, Thread
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
TIED = str(Path(__file__).with_name("tied.py"))
_main_is_hidden = Lock()


class _Worker(SpawnProcess):
    """A spawned process first runs its parent's main script, which without a guard would do its work again.

    Here it runs tied.py instead: on Linux the worker ends with the thread that starts it, also during its imports.
    """

    def start(self) -> None:
        with _main_is_hidden:
            main, words = sys.modules["__main__"], sys.argv
            sys.modules["__main__"], sys.argv = ModuleType("__main__"), [TIED, str(os.getpid())]
            sys.modules["__main__"].__file__ = TIED
            try:
                super().start()
            finally:
                sys.modules["__main__"], sys.argv = main, words


class _Workers(SpawnContext):
    Process = _Worker


@contextmanager
def in_processes(
    function: Callable[[T], R], items: Sequence[T], workers: int | None = None, chunk: int = 1
) -> Generator[Iterator[R]]:
    """`with in_processes(function, items) as results:` function(item) of each item, in order.

    function   a function of an importable module, not of the user's script
    workers    at most so many processes, as many as there are cores where None; with one, all is computed here
    chunk      items sent to a worker at a time

    An exception in the block, of a function or an interrupt, ends the workers at once. When this process dies, for
    whatever reason, they end with it (Linux), or by themselves within two seconds after their imports.
    """
    workers = min(workers or os.cpu_count() or 1, -(-len(items) // chunk))
    if workers < 2:
        yield map(function, items)
        return
    context = _Workers()
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _live_with_parent, (theirs,))
    try:
        yield pool.map(function, items, chunksize=chunk)
        pool.shutdown(cancel_futures=True)
    finally:
        ours.close()  # which ends the workers that still run
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _live_with_parent(parent: Connection) -> None:
    """Ignore Ctrl-C, which reaches all processes of a terminal: the parent ends its workers. End with the parent."""
    signal.signal(signal.SIGINT, lambda *_: None)
    atexit.register(os._exit, 0)  # the system frees memory faster than Python takes apart what was imported
    Thread(target=_end_with, args=(parent, os.getppid()), daemon=True).start()


def _end_with(parent: Connection, number: int) -> None:
    """Exit when the pipe's other end is closed, or, as a fork may hold it open, when there is another parent."""
    with suppress(OSError):  # Windows says so where the pipe is broken
        while not parent.poll(1) and os.getppid() == number:
            pass
    os._exit(1)
