"""Concept vectors as a text file of the word2vec program: readers (gensim, `spaces.word2vec`) split lines at spaces."""

import re
from collections import Counter
from pathlib import Path

from n2vlib.errors import BadInput
from n2vlib.files.output import write_file
from n2vlib.spaces.names import word
from n2vlib.vectors.saved import Vectors


def write(out: str | Path, vectors: Vectors) -> Path:
    """Write a line for each concept, its word and its weights, after a line with both counts; returns the path.

    Numbers are written so that float32 reads back exactly. BadInput where there is no concept.
    """
    if not len(vectors.weights):
        raise BadInput(f"{out}: there is no concept to write")
    lines = [f"{len(vectors.weights)} {vectors.weights.shape[1]}"]
    for name, row in zip(words(vectors), vectors.weights.tolist(), strict=True):
        lines.append(" ".join([name, *(f"{value:.9g}" for value in row)]))
    return write_file(out, "\n".join(lines) + "\n")


def words(vectors: Vectors) -> list[str]:
    """A word for each concept, each once: its name as `spaces.names.word` has it, without any white space; with its
    ending or, if need be, its number where another concept has that word."""
    concepts = vectors.about.concepts
    short, whole = ([_joined(spell(name)) for _, name, _ in concepts] for spell in (word, str))
    found = [one if _once(one, short) else full for one, full in zip(short, whole, strict=True)]
    return [
        one if _once(one, found) else f"{one}_{number}" for one, (number, _, _) in zip(found, concepts, strict=True)
    ]


def _joined(name: str) -> str:
    return re.sub(r"\s+", "_", name)


def _once(name: str, names: list[str]) -> bool:
    return bool(name) and Counter(names)[name] == 1
