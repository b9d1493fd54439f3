"""Write a .npy file part by part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike


@contextmanager
def growing(
    folder: Path, name: str, dtype: DTypeLike, row: tuple[int, ...] = ()
) -> Iterator[Callable[[np.ndarray], object]]:
    """A `with` block that gives a function to append arrays (n, *row) to the array in `<name>.npy`."""
    described = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    n = 0
    with (folder / f"{name}.npy").open("wb") as file:

        def append(part: np.ndarray) -> None:
            nonlocal n
            file.write(np.ascontiguousarray(part, dtype).data)
            n += len(part)

        npy.write_array_header_1_0(file, {**described, "shape": (0, *row)})
        start = file.tell()
        yield append
        file.seek(0)
        # numpy pads the header so that the first axis can grow: it keeps its length.
        npy.write_array_header_1_0(file, {**described, "shape": (n, *row)})
        if file.tell() != start:
            raise RuntimeError("numpy wrote .npy headers of two lengths")
