"""Things that the user has features and captions of, such as the paper's birds, as a reference game.

Features, one row a thing:

    FILE.csv           a name and its numbers a line; a first line that begins with `name` is a header
    FILE.npy           (thing, feature), with the names in FILE.txt beside it, one a line
    FILE.safetensors   a vector for each name

Captions, FILE.tsv or FILE.csv: a name and a caption a line, and if you like a fold (train, validation or test); a
thing may have several captions. The lexicon is the most frequent bigrams of the training captions: two words, one
beside the other, neither of them a stop word. A thing is described by the bigrams of all of its captions, in equal
shares, and left out where it has none.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.errors import BadInput, near
from n2vlib.files import parsed
from n2vlib.files.userfiles import csv_rows, plain
from n2vlib.games.creatures import SHARES, projected
from n2vlib.games.game import FOLDS
from n2vlib.games.reference import ReferenceGame
from n2vlib.paths import resolve

ENTRIES = 50  # of the lexicon, as in the paper
SIZE = 256  # numbers that longer features are projected to, as in the released program
MOST = 2**28  # numbers in a file
_STOP = """
a about all also an and are as at be been but by can did do does down for from had has have he her his i if in into is
it its itself just like more most near no nor not of off on one only or other out over own s she so some such t than
that the their them then there these they this those through to too under up very was we were what when where which
while who will with you
"""
STOP = frozenset(_STOP.split())


def from_files(features: str, captions: str, seed: int = 0, size: int = SIZE) -> ReferenceGame:
    """The reference game of the user's things, named "things".

    size   features that are longer are projected at random to so many numbers; all are standardised
    Things without a fold are dealt at random: 60% for training, 20% for validation, 20% for the test.
    Raises BadInput, naming file and line or row, for files that are damaged or do not fit together.
    """
    names, values = read_features(resolve(features))
    said, given = read_captions(resolve(captions), names)
    folds = _dealt(sorted(said), given, seed)
    phrases = {name: [pair for each in said[name] for pair in bigrams(each)] for name in said}
    lexicon = lexicon_of([phrases[name] for name in said if folds[name] == "train"])
    if not lexicon:
        raise BadInput(f"CAPTIONS: {captions}: no two words of the training captions stand together; give longer ones")
    place = {phrase: k for k, phrase in enumerate(lexicon)}
    kept = [k for k, name in enumerate(names) if set(phrases.get(name, ())) & set(place)]
    bags = torch.zeros(len(kept), len(lexicon))
    for row, k in enumerate(kept):
        bags[row, [place[phrase] for phrase in set(phrases[names[k]]) & set(place)]] = 1
    of = np.array([folds[names[k]] for k in kept])
    rows = {fold: torch.from_numpy(np.flatnonzero(of == fold)) for fold in FOLDS}
    things = projected(torch.from_numpy(values)[kept], size, seed)
    try:
        return ReferenceGame("things", things, lexicon, bags / bags.sum(1, keepdim=True), rows)
    except BadInput as error:
        raise BadInput(f"FEATURES, CAPTIONS: {features}, {captions}: {error}") from None


def bigrams(caption: str) -> list[str]:
    """Two words that stand side by side, neither a stop word, all in small letters; nothing across punctuation."""
    parts = [re.findall(r"[^\W\d_]+", part) for part in re.split(r"[^\w\s'-]+", caption.lower())]
    pairs = [pair for words in parts for pair in zip(words, words[1:], strict=False)]
    return [f"{one} {other}" for one, other in pairs if one not in STOP and other not in STOP]


def lexicon_of(phrases: Sequence[Sequence[str]], entries: int = ENTRIES) -> list[str]:
    """The most frequent phrases; of equally frequent ones the first in the alphabet."""
    counts = Counter(phrase for each in phrases for phrase in each)
    return sorted(counts, key=lambda phrase: (-counts[phrase], phrase))[:entries]


def _dealt(names: Sequence[str], given: Mapping[str, str], seed: int) -> dict[str, str]:
    """The fold of each thing."""
    order = np.random.default_rng(seed).permutation(len(names))
    ends = np.cumsum(list(SHARES.values())) * len(names)
    drawn = [FOLDS[int(np.searchsorted(ends[:-1], place, "right"))] for place in np.argsort(order)]
    return {name: given.get(name, fold) for name, fold in zip(names, drawn, strict=True)}


def read_features(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Names, and features float32 (thing, feature)."""
    readers = {".csv": _from_csv, ".npy": _from_npy, ".safetensors": _from_safetensors}
    if path.suffix not in readers:
        raise BadInput(f"FEATURES: {path}: must be a file that ends in {', '.join(readers)}")
    if not plain(path, f"FEATURES: {path}").exists():
        raise BadInput(f"FEATURES: {path}: no such file")
    names, values = readers[path.suffix](path)
    if not values.size:
        raise BadInput(f"FEATURES: {path}: has no features; give a row of numbers for each thing")
    counts = Counter(names)
    if twice := [name for name in names if counts[name] > 1]:
        raise BadInput(f"FEATURES: {path}: the name {twice[0]!r:.80} is there twice; delete one row")
    if len(wrong := np.flatnonzero(~np.isfinite(values).all(1))):
        raise BadInput(f"FEATURES: {path}: {names[wrong[0]]!r:.80} has a number that is infinite or none; correct it")
    return names, values


def _from_csv(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    names, rows = [], []
    for line, (name, *cells) in csv_rows(path, f"FEATURES: {path}"):
        if not names and name.strip().lower() == "name":
            continue
        rows.append([parsed.number(cell, f"FEATURES: {path}, line {line}") for cell in cells])
        names.append(name.strip())
        if len(cells) != len(rows[0]):
            raise BadInput(
                f"FEATURES: {path}, line {line}: {len(cells)} numbers, the first has {len(rows[0])}; correct it"
            )
    return names, np.array(rows, np.float32)


def _from_npy(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        # Mapped, so that a header that promises more than there is fails at once.
        values = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"FEATURES: {path}: cannot be read as .npy of plain numbers ({error!s:.80}); save it again"
        ) from None
    if values.ndim != 2 or values.dtype.kind not in "fiu" or values.size > MOST:
        raise BadInput(f"FEATURES: {path}: must be one array of numbers (thing, feature), at most {MOST:,} of them")
    beside = path.with_suffix(".txt")
    if not beside.exists():
        raise BadInput(f"FEATURES: {path}: has no names; write them into {beside.name} beside it, one a line")
    names = [line.strip() for line in parsed.text(beside).splitlines() if line.strip()]
    if len(names) != len(values):
        raise BadInput(
            f"FEATURES: {beside}: {len(names)} names for {len(values)} rows of {path.name}; one a row is needed"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
        return names, np.array(values, np.float32)


def _from_safetensors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            names = list(opened.keys())
            shapes = [tuple(opened.get_slice(name).get_shape()) for name in names]
            if odd := [k for k, shape in enumerate(shapes) if len(shape) != 1 or shape != shapes[0]]:
                raise BadInput(
                    f"FEATURES: {path}: {names[odd[0]]!r:.80} is {shapes[odd[0]]}; all must be vectors of one length"
                )
            if len(names) * int(np.prod(shapes[:1], dtype=object) if names else 0) > MOST:
                raise BadInput(f"FEATURES: {path}: holds more than {MOST:,} numbers; take fewer things or features")
            vectors = [opened.get_tensor(name) for name in names]
    except (SafetensorError, OSError) as error:
        why = str(error).splitlines()[0][:80]
        raise BadInput(f"FEATURES: {path}: cannot be read as safetensors ({why}); save it again") from None
    rows: Tensor = torch.stack(vectors) if vectors else torch.zeros(0, 0)
    if rows.is_complex():
        raise BadInput(f"FEATURES: {path}: has complex numbers; save real ones")
    return names, rows.float().numpy()


def read_captions(path: Path, names: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Captions of each thing, and the folds that are given; names: the things that have features."""
    known, said, given = set(names), {}, {}
    for line, cells in _caption_lines(path):
        where = f"CAPTIONS: {path}, line {line}"
        if not 2 <= len(cells) <= 3:
            raise BadInput(f"{where}: {len(cells)} cells; must be a name, a caption and, if you like, a fold")
        name, caption, fold = (*cells, "")[:3]
        if name not in known:
            raise BadInput(f"{where}: {name!r:.80} is not in FEATURES; {near(name, list(names))}")
        if fold and fold not in FOLDS:
            raise BadInput(f"{where}: the fold {fold!r:.80} is none of {', '.join(FOLDS)}")
        if fold and given.setdefault(name, fold) != fold:
            raise BadInput(f"{where}: {name!r:.80} is in the fold {given[name]}, too; give it one fold")
        said.setdefault(name, []).append(caption)
    if not said:
        raise BadInput(f"CAPTIONS: {path}: has no captions; every line must be a name and a caption")
    return said, given


def _caption_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line but a header and blank ones."""
    if path.suffix not in (".tsv", ".csv"):
        raise BadInput(f"CAPTIONS: {path}: must be a file that ends in .tsv or .csv")
    if not path.exists():
        raise BadInput(f"CAPTIONS: {path}: no such file")
    if path.suffix == ".csv":
        rows = csv_rows(path, f"CAPTIONS: {path}")
    else:
        lines = parsed.text(path).split("\n")
        rows = ((k, line.rstrip("\r").split("\t")) for k, line in enumerate(lines, 1) if line.strip())
    for k, (line, cells) in enumerate(rows):
        cells = [cell.strip() for cell in cells]
        if k or cells[0].lower() != "name":
            yield line, cells
