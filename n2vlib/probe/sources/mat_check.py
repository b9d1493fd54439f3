"""Whether a .mat file may be given to scipy.io.loadmat: numbers, text, cells and structures only, of bounded size.

scipy's reader runs nothing that is in a file. But it allocates what a file declares, decompresses without limit, and
reads outside its memory (1.17) where a data type is unknown, dimensions are missing or an imaginary part is: the
process dies. So the file is walked first. Format: "MAT-File Format", The MathWorks, version 5; names with mx and mi are
that document's. Version 7.3 is HDF5.
"""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator

MOST_AXES = 32
MOST_SPACES = 2**16  # of a text that is declared and not stored
DEEPEST = 16  # arrays within one another
_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15  # miMATRIX, miCOMPRESSED
_CELL, _STRUCT, _CHAR, _SPARSE = 1, 2, 4, 5  # mxCELL_CLASS and so on
_COMPLEX = 0x800  # of the array flags
_VALUES = {_CHAR, _SPARSE, *range(6, 16)}  # with mxDOUBLE_CLASS to mxUINT64_CLASS; no objects, no functions
# Bytes of a value by data type, miINT8 to miUINT64, and of text also miUTF8 to miUTF32.
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_TEXT = {1: 1, 2: 1, 4: 2, 16: 1, 17: 2, 18: 4}
_Elements = list[tuple[int, memoryview]]


def check(content: bytes, largest: int) -> None:
    """ValueError where a file declares more than it holds or than is allowed, or something that is not plain.

    largest   bytes, of all that is decompressed
    """
    version = content[124:_HEADER]
    if version in (b"\0\2IM", b"\2\0MI"):
        raise ValueError("it is of version 7.3; save it in MATLAB with the option -v7")
    if (order := {b"\0\1IM": "<", b"\1\0MI": ">"}.get(version)) is None:
        raise ValueError("its header is not that of version 5")
    room = largest
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            inner = zlib.decompressobj().decompress(data, room + 1)
            if (room := room - len(inner)) < 0:
                raise ValueError(f"it decompresses to more than {largest:,} bytes")
            for part, array in _elements(memoryview(inner), order):
                _check_array(part, array, order, 0)
        else:
            _check_array(kind, data, order, 0)


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
    (_, flags), (_, dimensions), (_, _), *content = _typed(_elements(data, order), [{6}, {5, 6}, {1, 16}])
    if not 8 <= len(dimensions) <= 4 * MOST_AXES:
        raise ValueError(f"an array has {len(dimensions) // 4} dimensions; 2 to {MOST_AXES} are possible")
    flag = struct.unpack(f"{order}II", flags)[0]
    holds = flag & 0xFF
    n = math.prod(struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions))
    if holds in (_CELL, _STRUCT):
        _check_inner(holds, n, content, order, depth)
    elif holds in _VALUES:
        _check_values(holds, n, content, bool(flag & _COMPLEX))
    else:
        raise ValueError(f"it holds a MATLAB object or function (class {holds})")


def _check_inner(holds: int, n: int, content: _Elements, order: str, depth: int) -> None:
    """A cell array has an array for each cell, a structure array for each field of each structure."""
    each = 1
    if holds == _STRUCT:
        (_, length), (_, names), *content = _typed(content, [{5}, {1}])
        each = len(names) // max(1, struct.unpack(f"{order}i", length)[0])
    if len(content) != n * each or not 0 <= n <= max(1, len(content)):
        raise ValueError(f"an array declares {n:,} values and holds {len(content):,}")
    for part in content:
        _check_array(*part, order, depth + 1)


def _check_values(holds: int, n: int, content: _Elements, pairs: bool) -> None:
    """Text and numbers are stored in a type of known size, which can be smaller than the array's own."""
    allowed = _TEXT if holds == _CHAR else _NUMBERS
    if len(content) != (3 if holds == _SPARSE else 1) + (pairs and holds != _CHAR):
        raise ValueError(f"an array of class {holds} holds {len(content)} lists of values")
    for kind, values in content:
        most = max(len(values), MOST_SPACES * (holds == _CHAR))
        # What a sparse array holds is shorter than it; true and false may be single bytes that are said to be doubles.
        if kind not in allowed or (holds != _SPARSE and (len(values) % allowed[kind] or not 0 <= n <= most)):
            raise ValueError(f"an array declares {n:,} values and holds {len(values):,} bytes of type {kind}")


def _typed(elements: Iterable[tuple[int, memoryview]], kinds: list[set[int]]) -> _Elements:
    """The elements, of which the first must be of these types."""
    found = list(elements)
    if len(found) < len(kinds) or any(one[0] not in kind for one, kind in zip(found, kinds, strict=False)):
        raise ValueError(f"an array begins with data of types {[kind for kind, _ in found[: len(kinds)]]}")
    return found
