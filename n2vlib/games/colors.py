"""Colors with names, for the reference game: drawn around the names of a survey, or read from the paper's own corpus.

Munroe asked visitors of a web page to name colors of the screen (2010). Matplotlib keeps the list of names that came of
it, with one color for each. How people's colors spread around these it does not say: `survey` has a rule of ours, so
what it draws is no distribution of people. The paper used the answers themselves, as McMahan and Stone (2015) prepared
them: `corpus`.
"""

import colorsys
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.files import parsed
from n2vlib.games.reference import ReferenceGame
from n2vlib.paths import resolve
from n2vlib.store import digest

SURVEY = "survey"
COMMON = 5  # a word of the lexicon occurs in as many names
VULGAR = frozenset({"shit", "piss"})  # words that dictionaries mark as vulgar; the released program leaves out two, too
PER_NAME = 10  # colors drawn of each name
NEAREST = 0.02  # least spread: five of 255 steps of a channel
LARGEST_CORPUS = 50_000  # colors; more would not fit a laptop's memory with the names beside them


def named(colors: str, seed: int = 0) -> ReferenceGame:
    """The game that a chapter's parameter COLORS names: "survey", or the folder of the paper's corpus.

    seed   of the colors that are kept of a large corpus. The survey is always drawn alike: the zoo's agents know it.
    """
    return survey() if colors == SURVEY else corpus(colors, seed)


def survey(seed: int = 0, per_name: int = PER_NAME) -> ReferenceGame:
    """Colors around the 949 names of matplotlib's XKCD_COLORS.

    A name's rivals are the names that have no word of its own. The colors of a name are normal in red, green and blue
    around the color of the list, and so far from it as its nearest rival is (the root of the mean squared distance;
    `NEAREST` at least), clipped to what a screen shows. Every name has as many colors, and so a color c is called n
    with a probability proportional to the density of n's colors at c. Names without a word of the lexicon are left out.
    """
    try:
        from matplotlib.colors import XKCD_COLORS, to_rgb
    except ImportError:
        raise BadInput(
            'COLORS: "survey" needs the names that matplotlib keeps; pip install matplotlib, '
            "or name the folder of the paper's corpus"
        ) from None

    names = [words(name.removeprefix("xkcd:")) for name in XKCD_COLORS]
    centres = np.array([to_rgb(each) for each in XKCD_COLORS.values()])
    lexicon = lexicon_of(names)
    keep = [i for i, name in enumerate(names) if set(name) & set(lexicon)]
    spread = spreads(names, centres)[keep]
    noise = np.random.default_rng(seed).normal(size=(len(keep), per_name, 3))
    drawn = (centres[keep, None] + spread[:, None, None] / 3**0.5 * noise).clip(0, 1)
    rows = [(names[i], drawn[k]) for k, i in enumerate(keep)]
    hsv = [(name, np.array([colorsys.rgb_to_hsv(*color) for color in colors])) for name, colors in rows]
    rule = {"seed": seed, "per_name": per_name, "nearest": NEAREST, "list": dict(XKCD_COLORS)}
    return _game(hsv, lexicon, f"{SURVEY} {digest(rule)}")


def spreads(names: Sequence[Sequence[str]], centres: np.ndarray) -> np.ndarray:
    """Distance of each name's centre (name, 3) to that of its nearest rival, at least `NEAREST`."""
    distance = np.linalg.norm(centres[:, None] - centres, axis=2)
    place = {word: i for i, word in enumerate(dict.fromkeys(word for name in names for word in name))}
    has = np.zeros((len(names), len(place)), dtype=np.float32)
    for row, name in zip(has, names, strict=True):
        row[[place[word] for word in name]] = 1
    return np.where(has @ has.T > 0, np.inf, distance).min(1).clip(NEAREST)


def corpus(folder: str | Path, seed: int = 0, most: int = LARGEST_CORPUS) -> ReferenceGame:
    """The paper's corpus: Munroe's survey as McMahan and Stone prepared it (the folder `munroecorpus` of their rugstk).

    corpusindex.txt has a line NAME,FILE for each name of a color; train/FILE.h_train, .s_train and .v_train have one
    number from 0 to 1 a line: hue, saturation and value. As in the released program only these are used, and the first
    80% of each name's colors are for training, 10% each for validation and test.

    most    colors that are kept, drawn at random from all, so that names stay as frequent as they are
    """
    path = resolve(folder)
    if not (path / "corpusindex.txt").is_file():
        raise BadInput(
            f"COLORS: {path} has no corpusindex.txt; give the folder `munroecorpus` of the paper's corpus, "
            f'or "{SURVEY}"'
        )
    files = _index(path / "corpusindex.txt")
    names = {name: words(name) for name in files}
    lexicon = lexicon_of(list(names.values()))
    keep = [name for name in files if set(names[name]) & set(lexicon)]
    rows = [(names[name], _colors(path / "train", files[name])) for name in keep]
    try:
        return _game(rows, lexicon, "", most, seed)
    except BadInput as error:
        raise BadInput(f"COLORS: {path}: {error}") from None


def words(name: str) -> list[str]:
    """The words of a name of a color; a hyphen or slash counts as a space."""
    return re.split(r"[\s/-]+", name.strip().lower())


def lexicon_of(names: Sequence[Sequence[str]]) -> list[str]:
    """Words that occur in `COMMON` of these names, in the order of the alphabet, without vulgar ones."""
    counts = Counter(word for name in names for word in dict.fromkeys(name))
    return sorted(word for word, count in counts.items() if count >= COMMON and word and word not in VULGAR)


def hexadecimal(color: Tensor) -> str:
    """What a page draws a color with: hue, saturation and value in 0 to 1, (3,) -> "#rrggbb"."""
    return "#" + "".join(f"{round(255 * each):02x}" for each in colorsys.hsv_to_rgb(*color.tolist()))


def _game(
    rows: Sequence[tuple[Sequence[str], np.ndarray]],
    lexicon: Sequence[str],
    origin: str,
    most: int | None = None,
    seed: int = 0,
) -> ReferenceGame:
    """Of each name's words and colors (color, 3): the first 80% are for training, 10% each for validation and test."""
    place = {word: i for i, word in enumerate(lexicon)}
    sizes = np.array([len(colors) for _, colors in rows], dtype=int)
    name = np.repeat(np.arange(len(rows)), sizes)
    nth = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else name
    size = sizes[name]
    fold = (nth >= (0.8 * size).astype(int)).astype(int) + (nth >= (0.9 * size).astype(int))
    things = np.concatenate([colors for _, colors in rows]) if rows else np.zeros((0, 3))
    if most is not None and len(things) > most:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(things))[:most])
        things, name, fold = things[drawn], name[drawn], fold[drawn]
    bags = torch.zeros(len(rows), len(lexicon))
    for row, (its, _) in enumerate(rows):
        bags[row, [place[word] for word in set(its) & set(place)]] = 1
    bags = bags / bags.sum(1, keepdim=True)
    folds = {key: torch.tensor(np.flatnonzero(fold == k)) for k, key in enumerate(("train", "validation", "test"))}
    return ReferenceGame("colors", torch.tensor(things).float(), lexicon, bags[name], folds, origin)


def _index(path: Path) -> dict[str, str]:
    """The file of each name, in the file's order."""
    found: dict[str, str] = {}
    for number, line in enumerate(parsed.text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, comma, file = (part.strip() for part in line.partition(","))
        if not (name and comma and re.fullmatch(r"[\w.'-]+", file)) or file.startswith("."):
            raise BadInput(
                f"{path}, line {number}: {line!r:.80} must be NAME,FILE, the file without a folder; correct it"
            )
        if name in found:
            raise BadInput(f"{path}, line {number}: the name {name!r} is there twice; delete one line")
        found[name] = file
    if not found:
        raise BadInput(f"{path}: has no names; every line must be NAME,FILE")
    return found


def _colors(folder: Path, file: str) -> np.ndarray:
    """Hue, saturation and value of the colors of a name, (color, 3)."""
    channels = {channel: _numbers(folder / f"{file}.{channel}_train") for channel in "hsv"}
    counts = {len(each) for each in channels.values()}
    if len(counts) > 1:
        shown = ", ".join(f"{len(each)} of {channel}" for channel, each in channels.items())
        raise BadInput(f"{folder / file}.*_train: {shown}; a color needs one of each")
    return np.stack(list(channels.values()), 1)


def _numbers(path: Path) -> np.ndarray:
    lines = parsed.text(path).rstrip().splitlines()
    try:
        numbers = np.array(lines, dtype=float)
    except ValueError:
        numbers = np.array([parsed.number(each, f"{path}, line {k}") for k, each in enumerate(lines, 1)])
    if (wrong := ~((numbers >= 0) & (numbers <= 1))).any():
        line = int(wrong.argmax())
        raise BadInput(f"{path}, line {line + 1}: {lines[line]} must be from 0 to 1, as in the released corpus")
    return numbers
