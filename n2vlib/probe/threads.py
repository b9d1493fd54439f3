"""Map over threads with the results in order and few of them waiting: Pillow and hashlib release the GIL."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from n2vlib.progress import bar

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """function(item) of each item, in order, with a progress bar named `what`; an exception ends it."""
    return bar(ahead(function, items), what, len(items))


def ahead(function: Callable[[T], R], items: Sequence[T], workers: int | None = None) -> Iterator[R]:
    """function(item) of each item, in order; at most twice as many as there are threads are under way or waiting."""
    workers = workers or min(os.cpu_count() or 1, 16)
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
