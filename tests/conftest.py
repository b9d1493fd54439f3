"""What all tests share."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from filelock import FileLock
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

LONGEST = ("test_photographs", "test_damage", "test_readme", "test_broden_parameters", "test_poor_sets")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting makes hundreds of thousands of objects that stay: Python's search for garbage shall not visit them."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files come first: where files are distributed to processes, all end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def kernels_compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where tests run in several processes, one compiles a kernel, and the others wait and read numba's cache."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    locks = tmp_path_factory.getbasetemp().parent
    compiled = Dispatcher.compile

    def one_at_a_time(self: Any, signature: Any) -> Any:
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}"
        if not name.startswith("n2vlib.kernels"):
            return compiled(self, signature)
        with global_compiler_lock, FileLock(locks / f"{name}.lock", is_singleton=True):
            return compiled(self, signature)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Dispatcher, "compile", one_at_a_time)
        yield
