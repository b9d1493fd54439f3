"""Word vectors from the user's file, in the format of the word2vec program: of a probe set's concepts, or of any words.

Both forms are read: text (a line for each word) and binary (each word, a space, then float32). The first line has the
numbers of words and of dimensions. GloVe's text files have no such line: their first line is a word with its numbers.
The file is read once, front to back, and only the vectors asked for are kept, so a file of three million words needs no
more memory than a small one. Nothing is unpickled.
"""

from collections.abc import Iterable, Iterator
from itertools import count as from_number
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.methods.alignment import unit
from n2vlib.paths import resolve
from n2vlib.spaces.names import named, word

_LONGEST_WORD, _LONGEST_NUMBER, _MOST_DIMENSIONS = 1000, 50, 100_000  # bytes, bytes, numbers


def vectors(concepts: pd.DataFrame, file: str | Path) -> pd.DataFrame:
    """Unit word vectors by concept number, (concept number, dimension).

    concepts   rows of probe.concepts; the word is the name without its ending -c or -s, with _ for spaces, and must be
               in the file exactly so. A word that is not there is left out.
    """
    looked_for = {number: word(name) for number, name in named(concepts).items()}
    found = _found(set(looked_for.values()), file)
    rows = {number: found[name] for number, name in looked_for.items() if name in found}
    return unit(pd.DataFrame.from_dict(rows, orient="index"))


def of_words(words: Iterable[str], file: str | Path) -> pd.DataFrame:
    """Unit word vectors, (word, dimension), of those of the words that are in the file, in their order.

    BadInput where none is.
    """
    asked = list(dict.fromkeys(words))
    found = _found(set(asked), file)
    if not found:
        raise BadInput(f"WORD2VEC: {file}: has none of the words asked for, such as {', '.join(asked[:3])}")
    return unit(pd.DataFrame.from_dict({name: found[name] for name in asked if name in found}, orient="index"))


def _found(wanted: set[str], file: str | Path) -> dict[str, NDArray[np.float32]]:
    """The vectors of the words that are wanted and in the file."""
    path = resolve(file)
    if not path.is_file():
        raise BadInput(f"WORD2VEC: {file} is no file; name a file of vectors in word2vec's text or binary format")
    with path.open("rb") as opened:
        found = {name: _finite(name, vector, file) for name, vector in _records(opened, str(file)) if name in wanted}
        if opened.read(100).strip():
            raise BadInput(f"WORD2VEC: {file}: goes on after as many words as its first line says")
    return found


def _finite(name: str, vector: NDArray[np.float32], file: str | Path) -> NDArray[np.float32]:
    if not np.isfinite(vector).all():
        raise BadInput(f"WORD2VEC: {file}: the vector of {name!r} is not finite; mend it, or take the word out")
    return vector


def _records(file: BinaryIO, name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    header = file.readline(100).split()
    try:
        count, size = (int(number) for number in header)
    except ValueError:
        if size := _glove_size(file):
            yield from _text(file, None, size, name)
            return
        raise BadInput(f"WORD2VEC: {name}: the first line must hold the number of words and of dimensions") from None
    if count < 0 or not 0 < size <= _MOST_DIMENSIONS:
        raise BadInput(f"WORD2VEC: {name}: {count} words of {size} dimensions cannot be")
    start = file.tell()
    text = _is_text(file.readline(_longest(size)), size)
    file.seek(start)
    yield from (_text if text else _binary)(file, count, size, name)


def _glove_size(file: BinaryIO) -> int:
    """How many numbers follow the first word, if the file is of words and numbers from its first line on; else 0.

    The file is then at its begin again.
    """
    file.seek(0)
    size = len(file.readline(_longest(_MOST_DIMENSIONS)).split()) - 1
    file.seek(0)
    is_text = 1 < size <= _MOST_DIMENSIONS and _is_text(file.readline(_longest(size)), size)
    file.seek(0)
    return size if is_text else 0


def _longest(size: int) -> int:
    """The most bytes that a line of text may have."""
    return _LONGEST_WORD + _LONGEST_NUMBER * size


def _is_text(line: bytes, size: int) -> bool:
    numbers = line.split(maxsplit=size + 1)[1 : size + 1]
    try:
        return len([float(number) for number in numbers]) == size
    except ValueError:
        return False


def _text(file: BinaryIO, count: int | None, size: int, name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """As many lines as `count` says, after the first; None: all lines of a file without such a first line."""
    for row in from_number(-1) if count is None else range(count):
        line = file.readline(_longest(size))
        if count is None and not line:
            return
        if len(line) == _longest(size):
            raise BadInput(f"WORD2VEC: {name}, line {row + 2}: is longer than a word and {size} numbers can be")
        parts = line.rstrip().split(b" ")
        if len(parts) != size + 1:
            raise BadInput(f"WORD2VEC: {name}, line {row + 2}: {len(parts) - 1} numbers, the first line says {size}")
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused if wanted
                vector = np.array(parts[1:]).astype(np.float32)
        except ValueError:
            raise BadInput(f"WORD2VEC: {name}, line {row + 2}: something is no number") from None
        yield parts[0].decode("utf-8", "replace"), vector


def _binary(file: BinaryIO, count: int, size: int, name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for row in range(count):
        letters = bytearray()
        while (letter := file.read(1)) not in (b" ", b"") and len(letters) <= _LONGEST_WORD:
            letters += letter
        values = file.read(4 * size)
        if letter != b" " or len(values) != 4 * size:
            raise BadInput(f"WORD2VEC: {name}: ends or breaks off at word {row + 1} of {count}")
        # The program ends each record with a line break, others do not: it then begins the next word.
        yield bytes(letters).lstrip(b"\n").decode("utf-8", "replace"), np.frombuffer(values, "<f4")
