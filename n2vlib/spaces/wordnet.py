"""WordNet's hypernyms of a probe set's concepts, read by nltk from the user's copy.

    pip install "n2vlib[words]"
    python -m nltk.downloader -d FOLDER wordnet        (or WordNet's own "dict" folder)

then WORDNET=FOLDER/corpora/wordnet. Nothing is downloaded by the book.
"""

import warnings
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain
from n2vlib.paths import resolve
from n2vlib.spaces.drawn import indicators
from n2vlib.spaces.names import named, word

INSTALL = 'pip install "n2vlib[words]"'
# The released notebook replaced the first sense of these by hand, given by position in its list of concepts; positions
# and senses are those of SEMANTICS 3.6, the names follow from the senses.
INSTEAD = {
    "grey": "gray.n.01", "white": "white.n.02", "orange": "orange.n.02", "muzzle": "muzzle.n.02",
    "bannister": "bannister.n.02", "blotchy": "blotchy.s.02", "bumpy": "bumpy.s.02", "porous": "porous.a.02",
    "meshed": "meshed.s.01", "crane": "crane.n.04", "jersey": "jersey.n.04",
}  # fmt: skip
_LEXNAMES = 45  # lexicographer files
WITHOUT = {"waffled"}  # taken out by the notebook


class Reader(Protocol):
    """The part of nltk's reader that is used; the tests have their own."""

    def synset(self, name: str) -> Any: ...
    def synsets(self, lemma: str) -> list[Any]: ...


def hypernyms(concepts: pd.DataFrame, folder: str | Path, reader: Reader | None = None) -> pd.DataFrame:
    """Unit indicators of each concept's synset and all its hypernyms: (concept number, synset), as in Net2Vec's code.

    concepts   rows of probe.concepts; the word is the name without its ending -c or -s, with _ for spaces; its first
               synset is taken, save for the notebook's replacements. A word WordNet does not have is left out.
    folder     WordNet's files (data.noun, index.noun ...), or an nltk_data folder that holds corpora/wordnet
    """
    words = reader or open_wordnet(folder)
    return indicators({number: _line(word(name), words) for number, name in named(concepts).items()})


def open_wordnet(folder: str | Path) -> Reader:
    """nltk's reader of the WordNet in `folder`. BadInput if nltk or the files are missing."""
    root = resolve(folder)
    found = next((path for path in (root, root / "corpora" / "wordnet") if (path / "data.noun").is_file()), None)
    if found is None:
        raise BadInput(
            f"WORDNET: {folder} holds no WordNet (data.noun, index.noun ...); get one with"
            " `python -m nltk.downloader -d FOLDER wordnet`, unpack it, and name FOLDER/corpora/wordnet"
        )
    for path in found.iterdir():  # nltk would wait for a pipe
        if not path.is_dir():
            plain(path, f"WORDNET: {folder}: {path.name}")
    try:
        nltk, data = import_module("nltk.corpus.reader.wordnet"), import_module("nltk.data")
    except ImportError:
        raise BadInput(f"WORDNET: reading WordNet needs nltk; install it with {INSTALL}") from None
    if str(found) not in data.path:  # nltk reads nowhere else
        data.path.append(str(found))

    class English(nltk.WordNetCorpusReader):
        def map_wn(self, version: str = "wordnet") -> None:
            """No mapping for other languages: it would look for a second WordNet in nltk's own folders."""

        def open(self, file: str) -> Any:
            """WordNet 3.1 comes without lexnames, some copies without exceptions of inflection; neither is used."""
            if (found / file).exists() or not (file == "lexnames" or file.endswith(".exc")):
                return super().open(file)
            return StringIO("".join(f"{k} {k} 0\n" for k in range(_LEXNAMES)) if file == "lexnames" else "")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that other languages are missing
            return English(str(found), None)
    except (OSError, ValueError, AssertionError) as error:
        raise BadInput(f"WORDNET: {folder} cannot be read as WordNet: {error}") from None


def _line(lemma: str, words: Reader) -> list[str]:
    """Names of the synset of a word and of everything above it; empty where WordNet does not have it."""
    if lemma in WITHOUT:
        return []
    synset = _first(lemma, words)
    above, waiting = {}, [synset] if synset is not None else []
    while waiting:
        one = waiting.pop()
        if one.name() not in above:
            above[one.name()] = True
            waiting += one.hypernyms()
    return list(above)


def _first(lemma: str, words: Reader) -> Any:
    if lemma in INSTEAD:
        try:
            return words.synset(INSTEAD[lemma])
        except Exception as error:  # nltk's own WordNetError, which we cannot name without importing it
            if type(error).__name__ != "WordNetError" and not isinstance(error, LookupError):
                raise
            # another version of WordNet numbers its senses otherwise: the first one then
    found = words.synsets(lemma)
    return found[0] if found else None
