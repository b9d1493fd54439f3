"""Run-lengths of masks as annotation tools write them; checked against the mask's size before anything is allocated.

CVAT           lengths of runs of 0 and 1 in turn, 0 first, row by row within a box
Label Studio   a bit stream of bytes for four channels, row by row (thi.ng's rle-pack): the mask is the fourth, alpha
COCO's go column by column; pycocotools reads them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput


def alternating(lengths: Sequence[int], size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """The mask of runs of 0 and 1 in turn, 0 first, row by row: bool, (h, w) = size.

    where   the file and the field, for errors
    Raises BadInput where the lengths are not whole numbers from 0 that add up to the mask.
    """
    if not all(type(length) is int and length >= 0 for length in lengths) or sum(lengths) != size[0] * size[1]:
        raise BadInput(f"{where}: run-lengths must be whole numbers that add up to {size[1]} x {size[0]} pixels")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size)


def packed(stream: Sequence[int], size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """The mask in a bit stream of Label Studio: bool, (h, w) = size; True where alpha is not 0.

    32 bits: the number of values; 5: bits of a value, less 1; 4 times 4: bits of a length, less 1, of which each block
    takes one. A block: 1 bit, whether it is one value repeated; 2 bits, which of the four; the length less 1; the value
    or values.
    Raises BadInput where the stream is damaged or is not of this size.
    """
    if not all(type(byte) is int and 0 <= byte <= 255 for byte in stream):
        raise BadInput(f"{where}: must be a list of bytes, 0 to 255")
    bits = _Bits(bytes(stream))
    n, bits_of_value = bits.number(32), bits.number(5) + 1
    bits_of_length = [bits.number(4) + 1 for _ in range(4)]
    if n != size[0] * size[1] * 4 or bits_of_value > 8:
        what = f"{n} values of {bits_of_value} bits, not 4 for each of {size[1]} x {size[0]} pixels"
        raise BadInput(f"{where}: holds {what}")
    values = np.zeros(n, np.uint8)
    at = 0
    while at < n:
        repeated = bits.number(1)
        length = bits.number(bits_of_length[bits.number(2)]) + 1
        if at + length > n or bits.over:
            raise BadInput(f"{where}: is damaged: it ends early, or a run is longer than the mask")
        values[at : at + length] = bits.numbers(1 if repeated else length, bits_of_value)
        at += length
    if bits.over:
        raise BadInput(f"{where}: is damaged: it ends early")
    return values.reshape(*size, 4)[..., 3] > 0


class _Bits:
    """Numbers of some bits each, the highest bit first; 0 past the end."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    @property
    def over(self) -> bool:
        return self.at > 8 * len(self.data)

    def number(self, bits: int) -> int:
        first, self.at = self.at, self.at + bits
        taken = self.data[first // 8 : (self.at + 7) // 8].ljust((self.at + 7) // 8 - first // 8, b"\0")
        return int.from_bytes(taken, "big") >> (-self.at % 8) & ((1 << bits) - 1)

    def numbers(self, n: int, bits: int) -> NDArray[np.integer]:
        first, self.at = self.at, self.at + n * bits
        if self.over:
            return np.zeros(n, np.uint8)
        taken = np.unpackbits(np.frombuffer(self.data[first // 8 : (self.at + 7) // 8], np.uint8))
        return taken[first % 8 :][: n * bits].reshape(n, bits) @ (1 << np.arange(bits)[::-1])
