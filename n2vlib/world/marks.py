"""Writing on images: a word in capital letters, of our own strokes, at a random place.

    image, mask = marks.mark(image, "beach", np.random.default_rng(0))

Letters are 5 cells wide and 7 high. They are white with a black outline or black with a white one, so that they can be
read on any ground. No font is used: the same pixels come out on every machine.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from n2vlib.errors import BadInput

# One character for each of the 7 rows of a letter: its 5 cells as a number below 32, in the digits 0-9, A-V.
_ROWS = {
    "A": "EHHVHHH", "B": "UHHUHHU", "C": "EHGGGHE", "D": "UHHHHHU", "E": "VGGUGGV", "F": "VGGUGGG", "G": "EHGNHHE",
    "H": "HHHVHHH", "I": "E44444E", "J": "72222IC", "K": "HIKOKIH", "L": "GGGGGGV", "M": "HRLLHHH", "N": "HPPLJJH",
    "O": "EHHHHHE", "P": "UHHUGGG", "Q": "EHHHLID", "R": "UHHUKIH", "S": "FGGE11U", "T": "V444444", "U": "HHHHHHE",
    "V": "HHHHHA4", "W": "HHHLLRH", "X": "HHA4AHH", "Y": "HHA4444", "Z": "V1248GV", " ": "0000000",
}  # fmt: skip
CELL = 3  # pixels


def mark(
    image: NDArray[np.uint8], text: str, rng: np.random.Generator, cell: int = CELL
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The image with the text written on it, and where it is written, its whole box: bool, (height, width).

    image   uint8, (height, width, 3); left as it is      cell   pixels for each cell of a letter
    Raises BadInput for a text that has other characters than letters and spaces, or does not fit.
    """
    ink, around = written(text, cell)
    room = np.subtract(image.shape[:2], ink.shape)
    if room.min() < 0:
        raise BadInput(f"mark {text!r}: {ink.shape[1]} x {ink.shape[0]} pixels, the image is smaller; shorten it")
    top, left = (int(v) for v in rng.integers(0, room + 1))
    here = slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1])
    light = 255 if rng.random() < 0.5 else 0
    made, mask = image.copy(), np.zeros(image.shape[:2], np.bool_)
    made[here][around], made[here][ink], mask[here] = 255 - light, light, True
    return made, mask


def word(scene: str) -> str:
    """What is written for a scene, the first and the last letter of its name: lm for living_room-s."""
    plain = scene.partition("-")[0]
    return plain[0] + plain[-1]


@cache
def written(text: str, cell: int = CELL) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The letters of a text, and the letters with an outline one pixel wide: both bool, (7 cell + 2, width)."""
    unknown = sorted(set(text.upper()) - set(_ROWS))
    if unknown or not text.strip():
        raise BadInput(f"mark {text!r}: only letters from A to Z and spaces can be written, and at least one letter")
    rows = np.array([[int(row, 32) for row in _ROWS[letter]] for letter in text.upper()])
    letters = rows[:, :, None] >> np.arange(4, -1, -1) & 1  # (letter, row, cell)
    line = np.pad(letters, ((0, 0), (0, 0), (0, 1))).swapaxes(0, 1).reshape(7, -1)[:, :-1]
    ink = np.pad(line.repeat(cell, axis=0).repeat(cell, axis=1), 1).astype(np.bool_)
    return ink, np.asarray(binary_dilation(ink, np.ones((3, 3))), np.bool_)
