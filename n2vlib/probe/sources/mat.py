"""MATLAB's .mat files: a variable's structures, maps and texts, read by scipy after a check (`mat_check`)."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain
from n2vlib.probe.sources.mat_check import check

LARGEST = 2**28  # bytes of a file, and of all it decompresses to: full-size masks for each part add up
Fields = dict[str, NDArray]


def read(path: Path, variable: str, largest: int = LARGEST) -> NDArray:
    """A variable of a .mat file, as scipy gives it: two dimensions or more, structures as records.

    largest   bytes of the file, and of all it decompresses to
    Raises BadInput, naming the file, where it is damaged, too large, of another version, holds MATLAB objects or
    functions, or lacks the variable.
    """
    try:
        if plain(path, path).stat().st_size > largest:
            raise BadInput(f"{path}: is larger than {largest:,} bytes")
        content = path.read_bytes()
        check(content, largest)
        found = loadmat(io.BytesIO(content), variable_names=[variable], struct_as_record=True, chars_as_strings=True)
    except BadInput:
        raise
    except Exception as error:  # scipy's reader has no error of its own: TypeError, ValueError, zlib.error and others
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadInput(f"{path}: cannot be read as a .mat file: {why}") from None
    if variable not in found:
        raise BadInput(f"{path}: has no variable {variable!r}")
    return found[variable]


def structure(path: Path, variable: str, largest: int = LARGEST) -> Fields:
    """The fields of a variable that is one structure."""
    found = _records(read(path, variable, largest))
    if len(found) != 1:
        raise BadInput(f"{path}: {variable} must be one structure")
    return found[0]


def structures(fields: Fields, field: str, path: Path) -> list[Fields]:
    """The fields of each structure in a field; none where it is MATLAB's empty []."""
    if field not in fields:
        raise BadInput(f"{path}: has no field {field}")
    return _records(fields[field])


def plane(fields: Fields, field: str, path: Path) -> NDArray[np.integer]:
    """A field that holds a map of whole numbers, (h, w)."""
    found = fields.get(field, np.zeros(0))
    if found.ndim != 2 or not found.size or found.dtype.kind not in "iub":
        raise BadInput(f"{path}: field {field} must be a matrix of whole numbers, not {found.dtype} {found.shape}")
    return found


def text(fields: Fields, field: str, path: Path) -> str:
    """A field that holds one line of text."""
    found = fields.get(field, np.zeros(0))
    if found.size != 1 or found.dtype.kind != "U":
        raise BadInput(f"{path}: field {field} must be one line of text")
    return str(found.ravel()[0])


def _records(value: NDArray) -> list[Fields]:
    names = value.dtype.names or ()
    return [{name: np.asarray(one[name]) for name in names} for one in value.ravel() if names]
