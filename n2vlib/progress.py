"""Progress bars for work longer than two seconds; off with N2V_PROGRESS=0, as the book's runner and nbval set it."""

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items`, showing a bar named `what` once two seconds have passed.

    total   number of items, where `items` has no length
    """
    silent = os.environ.get("N2V_PROGRESS") == "0"
    return iter(tqdm(items, desc=what, total=total, delay=2, disable=silent, leave=False))
