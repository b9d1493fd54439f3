"""The user's functions, by name: `package.module:function`, or `path/file.py:function` for a file that is run."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from n2vlib.errors import BadInput, near, one_line
from n2vlib.paths import resolve


def function_named(text: str, parameter: str = "NETWORK") -> Callable:
    """The function named by "package.module:function" or "path/file.py:function"; parameter: for messages."""
    where, _, name = text.rpartition(":")
    given = f"{parameter} {text}"
    source = _run_file(resolve(where), given) if where.endswith(".py") else _import(where, given)
    function = getattr(source, name, None)
    if not callable(function):
        known = [known for known, value in vars(source).items() if callable(value) and not known.startswith("_")]
        raise BadInput(f"{given}: {where} has no function {name!r}; {near(name, known)}")
    return function


def _import(where: str, given: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as failure:
        raise BadInput(f"{given}: {failure}; install it, or write path/file.py:function") from failure
    except Exception as failure:  # it is the user's code
        raise BadInput(f"{given}: {where} cannot be imported ({one_line(failure)})") from failure


class _Uncompiled(SourceFileLoader):
    """Compiles the file each time: Python's cache compares only its size and its time in seconds."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _run_file(path: Path, given: str) -> ModuleType:
    """The module of a Python file; files beside it can be imported from it."""
    if not path.is_file():
        raise BadInput(f"{given}: no file {path}")
    name = f"n2v_network_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Uncompiled(name, str(path)))
    if path.suffix != ".py" or spec is None or spec.loader is None:
        raise BadInput(f"{given}: {path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as failure:  # it is the user's code
        del sys.modules[name]
        if not isinstance(failure, Exception):
            raise
        raise BadInput(f"{given}: {path.name} cannot be run ({one_line(failure)})") from failure
    finally:
        sys.path.remove(str(path.parent))
    return module
