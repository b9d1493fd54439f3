"""Map over threads: Pillow, hashlib and our kernels release the GIL."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from n2vlib.progress import bar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Number of threads to compute in: OMP_NUM_THREADS, which torch reads too, or the cores this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """function(item) of each item, in order, with a progress bar named `what`; an exception ends it."""
    return bar(ahead(function, items), what, len(items))


def shares(number: int) -> list[slice]:
    """`number` items split into slices, one for each computing thread."""
    parts = max(1, min(cores(), number))
    return [slice(number * part // parts, number * (part + 1) // parts) for part in range(parts)]


def each_of(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """function(item) of each item, in parallel; a single item in this thread."""
    return list(map(function, items) if len(items) == 1 else ahead(function, items, len(items)))


def ahead(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """function(item) of each item, in order; at most two items per thread are under way or waiting."""
    workers = workers or min(cores(), 16)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
