"""MATLAB's .mat files, read after a check: numbers, text, cells and structures only, of bounded size.

scipy.io.loadmat reads them and runs nothing that is in them. But it allocates what a file declares, and decompresses
without limit, so the file is walked first. Format: "MAT-File Format", The MathWorks (version 5; the names below are
that document's). Version 7.3 is HDF5 and is refused by name.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain

LARGEST = 2**28  # bytes of a file, and of all it decompresses to: full-size masks for each part add up
MOST_VALUES = 2**26  # in one array
DEEPEST = 16  # arrays within one another
_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15  # miMATRIX, miCOMPRESSED
_CELL, _STRUCT, _SPARSE = 1, 2, 5  # mxCELL_CLASS, mxSTRUCT_CLASS, mxSPARSE_CLASS
_PLAIN = {_CELL, _STRUCT, _SPARSE, 4, *range(6, 16)}  # with mxCHAR_CLASS and the numbers; no objects, no functions


def read(path: Path, variable: str) -> NDArray:
    """A variable of a .mat file, as scipy gives it: two dimensions or more, structures as records.

    Raises BadInput, naming the file, where it is damaged, too large, of another version, holds MATLAB objects or
    functions, or lacks the variable.
    """
    try:
        if plain(path, path).stat().st_size > LARGEST:
            raise BadInput(f"{path}: is larger than {LARGEST:,} bytes")
        content = path.read_bytes()
        _check(content)
        found = loadmat(io.BytesIO(content), variable_names=[variable], struct_as_record=True, chars_as_strings=True)
    except BadInput:
        raise
    except Exception as error:  # scipy's reader has no error of its own: TypeError, ValueError, zlib.error and others
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadInput(f"{path}: cannot be read as a .mat file: {why}") from None
    if variable not in found:
        raise BadInput(f"{path}: has no variable {variable!r}")
    return found[variable]


def records(value: NDArray) -> list[dict[str, NDArray]]:
    """The elements of a structure array, each as field -> value; none for another array, such as MATLAB's empty []."""
    names = value.dtype.names or ()
    return [{name: np.asarray(one[name]) for name in names} for one in value.ravel() if names]


def structure(path: Path, variable: str) -> dict[str, NDArray]:
    """The fields of a variable that is one structure."""
    found = records(read(path, variable))
    if len(found) != 1:
        raise BadInput(f"{path}: {variable} must be one structure")
    return found[0]


def plane(fields: dict[str, NDArray], field: str, path: Path) -> NDArray[np.integer]:
    """A field that holds a map of whole numbers, (h, w)."""
    found = fields.get(field, np.zeros(0))
    if found.ndim != 2 or not found.size or found.dtype.kind not in "iub":
        raise BadInput(f"{path}: field {field} must be a matrix of whole numbers, not {found.dtype} {found.shape}")
    return found


def text(fields: dict[str, NDArray], field: str, path: Path) -> str:
    """A field that holds one line of text."""
    found = fields.get(field, np.zeros(0))
    if found.size != 1 or found.dtype.kind != "U":
        raise BadInput(f"{path}: field {field} must be one line of text")
    return str(found.ravel()[0])


def _check(content: bytes) -> None:
    """ValueError where a file declares more than it holds or than is allowed, or something that is not plain."""
    version = {b"\0\x01IM": "<", b"\x01\0MI": ">", b"\0\x02IM": "7.3", b"\x02\0MI": "7.3"}.get(content[124:_HEADER])
    if version == "7.3":
        raise ValueError("it is of version 7.3; save it in MATLAB with the option -v7")
    if (order := version) is None:
        raise ValueError("its header is not that of version 5")
    room = LARGEST
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            inner = _inflated(data, room)
            room -= len(inner)
            for part, array in _elements(memoryview(inner), order):
                _check_array(part, array, order, 0)
        else:
            _check_array(kind, data, order, 0)


def _inflated(data: memoryview, room: int) -> bytes:
    inner = zlib.decompressobj().decompress(data, room + 1)
    if len(inner) > room:
        raise ValueError(f"it decompresses to more than {LARGEST:,} bytes")
    return inner


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Data type and content of the elements that follow one another."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("it ends within an element")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small element: size, type and up to four bytes of content in eight bytes
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + size
        if start + size > min(end, len(data)):
            raise ValueError("an element is longer than the file")
        yield kind, data[start : start + size]
        at = end if kind == _COMPRESSED else at + 8 * math.ceil((end - at) / 8)


def _check_array(kind: int, data: memoryview, order: str, depth: int) -> None:
    if kind != _MATRIX or depth > DEEPEST:
        raise ValueError("its arrays are nested too deeply" if kind == _MATRIX else f"it holds data of type {kind}")
    if not len(data):
        return  # an empty array may be left out
    (_, flags), (_, dimensions), *content = _elements(data, order)
    if (holds := struct.unpack_from(f"{order}I", flags)[0] & 0xFF) not in _PLAIN:
        raise ValueError(f"it holds a MATLAB object or function (class {holds})")
    n = math.prod(struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions))
    inner = [part for part in content if part[0] == _MATRIX]
    most = max(1, len(inner)) if holds in (_CELL, _STRUCT) else MOST_VALUES
    if holds != _SPARSE and not 0 <= n <= most:
        raise ValueError(f"an array declares {n:,} values; {most:,} are possible")
    for part in inner:
        _check_array(*part, order, depth + 1)
