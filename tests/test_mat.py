"""MATLAB's files: what MATLAB wrote is read; what is damaged, too large or no plain data is refused in one line.

scipy's reader (1.17) ends the process on some of the files below.
"""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io.matlab
from scipy.io import savemat

from n2vlib.errors import BadInput
from n2vlib.probe.sources import mat
from n2vlib.probe.sources.mat_check import check

SCIPYS = Path(scipy.io.matlab.__file__).parent / "tests" / "data"  # files that MATLAB wrote


@pytest.mark.skipif(not SCIPYS.is_dir(), reason="scipy without its tests")
def test_what_matlab_wrote_is_read_or_refused_as_it_should():
    wrote = {"read": 0, "refused": 0}
    for file in sorted([*SCIPYS.glob("test*.mat"), SCIPYS / "logical_sparse.mat"]):
        expected = (
            "object or function" if re.match("test(object|func)", file.name)
            else "version 7.3" if "hdf5" in file.name
            else "header is not that of version 5" if re.search("_4.2c_|mat4|testvec_4", file.name)
            else None
        )  # fmt: skip
        wrote["refused" if expected else "read"] += 1
        if expected:
            with pytest.raises(ValueError, match=expected):
                check(file.read_bytes(), mat.LARGEST)
        else:
            check(file.read_bytes(), mat.LARGEST)
    assert wrote["read"] > 60 and wrote["refused"] > 15


def matrix(kind: int, dimensions: tuple[int, ...], *content: bytes) -> bytes:
    """An array of version 5 as the element miMATRIX: kind is its class and flags, content what follows its name."""
    parts = struct.pack("<II", kind, 0), struct.pack(f"<{len(dimensions)}i", *dimensions), b"x"
    return element(14, b"".join([*map(element, (6, 5, 1), parts), *content]))


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8 if kind != 15 else 0)


def cells(levels: int) -> bytes:
    return matrix(1, (1, 1), cells(levels - 1)) if levels else matrix(9, (1, 1), element(2, b"1"))


def structure(dimensions: tuple[int, ...], names: bytes, *values: bytes) -> bytes:
    return matrix(2, dimensions, element(5, struct.pack("<i", 4)), element(1, names), *values)


ONE = element(2, b"1")
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
BOMB = element(15, zlib.compress(matrix(9, (1, 2**22), element(2, bytes(2**22)))))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its header"),
        (b"no", "its header"),
        (HEADER[:-4] + b"\0\2IM", "of version 7.3; save it in MATLAB with the option -v7"),
        (HEADER + matrix(3, (1, 1)), r"holds a MATLAB object or function \(class 3\)"),
        (HEADER + matrix(1, (1, 1), matrix(16, (1, 1))), r"object or function \(class 16\)"),
        (HEADER + matrix(17, (1, 1)), r"object or function \(class 17\)"),
        (HEADER + matrix(1, (2**15, 2**15)), "declares 1,073,741,824 values and holds 0"),
        (HEADER + matrix(1, (3, 1), cells(0), cells(0)), "declares 3 values and holds 2"),
        (HEADER + structure((1, 2), b"a\0\0\0b\0\0\0", *[cells(0)] * 3), "declares 2 values and holds 3"),
        (HEADER + structure((2**15, 2**15), b""), "declares 1,073,741,824 values and holds 0"),
        (HEADER + matrix(2, (1, 1), element(1, b"a")), "begins with data of types"),
        (HEADER + matrix(9, (2**15, 2**15), element(2, b"")), "declares 1,073,741,824 values and holds 0 bytes"),
        (HEADER + matrix(4, (2**15, 2**15), element(4, b"")), "declares 1,073,741,824 values and holds 0 bytes"),
        (HEADER + matrix(9, (-1, 2), ONE), "declares -2 values"),
        (HEADER + matrix(9, (2, 2), element(2, b"abc")), "declares 4 values and holds 3 bytes"),
        (HEADER + matrix(6, (1, 1), element(9, b"abc")), "holds 3 bytes of type 9"),
        (HEADER + matrix(6, (1, 1), element(23810, b"1")), "holds 1 bytes of type 23810"),
        (HEADER + matrix(6, (1, 1), element(8, b"1")), "holds 1 bytes of type 8"),
        (HEADER + matrix(6 | 0x800, (1, 1), ONE), "class 6 holds 1 lists of values"),  # complex, but only real parts
        (HEADER + matrix(9, (1, 1)), "class 9 holds 0 lists of values"),
        (HEADER + matrix(9, (), ONE), "has 0 dimensions; 2 to 32 are possible"),
        (HEADER + matrix(9, (1,) * 33, ONE), "has 33 dimensions; 2 to 32 are possible"),
        (HEADER + element(14, element(6, bytes(8))), "begins with data of types"),
        (HEADER + cells(20), "nested too deeply"),
        (HEADER + cells(1)[:-9], "an element is longer than the file"),
        (HEADER + cells(1) + b"\0\0\0", "it ends within an element"),
        (HEADER + element(9, b"12345678"), "holds data of type 9"),
        (HEADER + element(15, b"12345678"), "incorrect header check"),
        (HEADER + element(15, zlib.compress(cells(1))[:-9]), "cannot be read as a .mat file"),
    ],
)
def test_what_is_refused(tmp_path, content, why):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(BadInput, match=rf"a\.mat: .*{why}") as error:
        mat.read(tmp_path / "a.mat", "x")
    assert "\n" not in str(error.value)


def test_what_is_read(tmp_path):
    (tmp_path / "a.mat").write_bytes(HEADER + structure((1, 1), b"a\0\0\0", cells(0)))
    assert np.array_equal(mat.structure(tmp_path / "a.mat", "x")["a"], [[49]])
    with pytest.raises(BadInput, match="a.mat: has no variable 'GTcls'"):
        mat.read(tmp_path / "a.mat", "GTcls")


def test_a_file_that_decompresses_without_end(tmp_path):
    (tmp_path / "a.mat").write_bytes(HEADER + BOMB * 4)
    with pytest.raises(BadInput, match="a.mat: .*decompresses to more than 12,582,912 bytes"):
        mat.read(tmp_path / "a.mat", "x", largest=3 * 2**22)


@pytest.mark.parametrize("compressed", [False, True])
def test_changed_bytes_are_read_or_refused(tmp_path, compressed):
    """Random changes: no other error than BadInput, and the process lives."""
    rng = np.random.default_rng(0)
    parts = np.array([("tail", np.eye(3, dtype=np.uint8))], [("part_name", object), ("mask", object)])
    savemat(tmp_path / "a.mat", {"x": {"objects": parts, "number": 7.5}}, do_compression=compressed)
    whole, refusals = (tmp_path / "a.mat").read_bytes(), 0
    for _ in range(120):
        content = bytearray(whole)
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            content[at] = rng.choice([0, 1, 2, 5, 8, 14, 15, 255, rng.integers(256)])
        (tmp_path / "a.mat").write_bytes(content)
        try:
            mat.read(tmp_path / "a.mat", "x")
        except BadInput:
            refusals += 1
    assert 40 < refusals < 120
