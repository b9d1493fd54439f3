"""Whether answers move as formulas say, if pictures are edited (Mu and Andreas, figure 8).

    before, after = (moved.probabilities(network, images) for images in (made.originals, made.images))
    found = moved.moves(made, before, after)              # each edit, for each class
    moved.summary(found)                                  # those as the formula says beside the others

Whatever is pasted over a picture moves its answer. So edits after which a formula holds on more of the picture are
compared with edits of the same picture, in the same places and sizes, after which it does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.compositional.classifier import class_names
from n2vlib.compositional.edits import Edits
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import scores
from n2vlib.networks.load import Network
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.tables import stacked

MODULES = ["n2vlib.compositional.moved"]
MEASURES = {
    "as_said": "moves as said", "most": "moves most of all classes", "switched": "switches the answer",
    "moved": "moves by, log scale", "area": "covers, share of the picture",
}  # fmt: skip
DRAWS = 2000
_BATCH = 32
_LEAST = 1e-12  # of a probability, in log-odds
_TINY = 1e-300  # of a probability, in logarithms


def probabilities(
    network: Network, images: Sequence[NDArray[np.uint8]], device: str = "auto", store: Store | None = None
) -> pd.DataFrame:
    """The softmax over a network's classes (`class_names`), (image, class).

    images   uint8, (height, width, 3) each, of any sizes      store   where they are kept; None: nowhere
    """
    device = choose_device(device)
    if store is None:
        return _probabilities(network, images, device)

    def make(folder: Path) -> None:
        save_arrays(folder, probabilities=_probabilities(network, images, device).to_numpy())

    inputs = {"weights": network.fingerprint, "code": network.code, "preprocessing": network.preprocessing.as_json()}
    folder = store.entry("answers-to-edits", inputs | {"images": _digest(images)}, MODULES, make, device)
    return pd.DataFrame(np.asarray(load_array(folder, "probabilities")), columns=class_names(network)[0])


def _digest(images: Sequence[NDArray[np.uint8]]) -> str:
    found = sha256()
    for image in images:
        found.update(f"{image.shape}".encode() + image.tobytes())
    return found.hexdigest()


def _probabilities(network: Network, images: Sequence[NDArray[np.uint8]], device: str) -> pd.DataFrame:
    names, outputs = class_names(network)
    module, found = network.module.to(device), [np.zeros((0, len(names)))]
    starts = range(0, len(images), _BATCH)
    for start in bar(starts, f"{network.name} answers", len(starts)):
        ready = [network.preprocessing(each[None]) for each in images[start : start + _BATCH]]
        with torch.inference_mode():
            seen = scores(module(torch.cat(ready).to(device, memory_format=torch.channels_last)))[:, outputs]
        found.append(seen.double().softmax(1).cpu().numpy())
    return pd.DataFrame(np.concatenate(found), columns=names)


def moves(made: Edits, before: pd.DataFrame, after: pd.DataFrame, *, direction: int = 1) -> pd.DataFrame:
    """Each edit for each class of `made.gained`: whether it moved the class's probability as its formula says.

    before      probabilities of the originals, (original, class)      after   of the edits, (edit, class)
    direction   1: edits of other classes' pictures should raise a class where its formula gained; -1: edits of its own
                pictures should lower it where its formula lost
    Returns     edit, original, thing, class; area, where it is known; named (the formula gained, or lost); as_said (the
                probability rose, or fell); switched (the answer becomes the class, or stops being it); moved; and
                where classes should rise, most (its probability grows by the largest factor of all but the original's)
    moved is the change of the class's log probability minus the mean change of the other classes', the original's left
    out: what an edit takes from the original's class, by hiding it, goes to all others. Where the original's class
    should fall, it is the fall of its log-odds.
    Raises BadInput where the network has no such class.
    """
    parts = []
    first, last, grown = before.idxmax(axis=1), after.idxmax(axis=1), _grown(made, before, after)
    for name in map(str, made.gained):
        if name not in before:
            raise BadInput(f"class {name}: a network compared has no such class; compare networks of the same classes")
        rows = made.table.loc[(made.table["class_from"] != name) == (direction > 0)]
        was, now = (first.loc[rows["original"]] == name).to_numpy(), (last.loc[rows.index] == name).to_numpy()
        p, q = before.loc[rows["original"], name].to_numpy(), after.loc[rows.index, name].to_numpy()
        columns = {"edit": rows.index, "class": name, "named": direction * made.gained.loc[rows.index, name] > 0}
        columns |= {"as_said": direction * (q - p) > 0, "switched": now & ~was if direction > 0 else was & ~now}
        if direction > 0:
            mine = grown.loc[rows.index]
            others = mine.drop(columns=name).mean(axis=1).fillna(0)
            columns |= {"moved": mine[name] - others, "most": mine.idxmax(axis=1) == name}
        else:
            columns |= {"moved": _log_odds(p) - _log_odds(q)}
        parts.append(rows.loc[:, [*rows.columns.intersection(["original", "thing", "area"])]].assign(**columns))
    columns = ["edit", "original", "thing", "class", "named", "as_said", "switched", "moved"]
    return stacked(parts, [*columns, "most"] if direction > 0 else columns).reset_index(drop=True)


def _grown(made: Edits, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Changes of log probability, (edit, class); missing for the original's class."""
    changes = np.log(after.clip(lower=_TINY)) - np.log(before.loc[made.table["original"]].clip(lower=_TINY)).to_numpy()
    return changes.mask(made.table["class_from"].to_numpy()[:, None] == changes.columns.to_numpy())


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = p.clip(_LEAST, 1 - _LEAST)
    return np.log(clipped) - np.log1p(-clipped)


def beside(moves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means of a column over a picture's edits for a class: those that the class's formula names, and others.

    Returns  original, class, named, others (missing where there is no such edit), difference
    """
    values = moves[column].to_numpy(float)
    known = ~np.isnan(values)
    (picture, originals), (of, classes) = (pd.factorize(moves[key][known], sort=True) for key in ("original", "class"))
    cell = 2 * (picture * len(classes) + of) + ~moves["named"].to_numpy(bool)[known]
    n, sums = (np.bincount(cell, each, 2 * len(originals) * len(classes)) for each in (None, values[known]))
    means = np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0).reshape(-1, 2)
    there = np.flatnonzero(n.reshape(-1, 2).any(1))
    columns = {"original": originals[there // len(classes)], "class": classes[there % len(classes)]}
    both = pd.DataFrame(columns | {"named": means[there, 0], "others": means[there, 1]})
    return both.assign(difference=both["named"] - both["others"])


def with_interval(values: pd.DataFrame, column: str, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a column of `beside` and its 95% bootstrap interval; whole pictures are drawn, with all their rows."""
    kept = values[column].notna().to_numpy()
    if not kept.any():
        return np.nan, np.nan, np.nan
    picture = pd.factorize(values["original"][kept], sort=True)[0]
    known = np.stack([np.bincount(picture, values[column][kept]), np.bincount(picture)], axis=1)
    drawn = np.random.default_rng(seed).integers(0, len(known), (DRAWS, len(known)))
    sums, sizes = known[drawn].sum(1).T
    low, high = np.quantile(sums / sizes, [0.025, 0.975])
    return float(known[:, 0].sum() / known[:, 1].sum()), float(low), float(high)


def summary(
    moves: pd.DataFrame, by: Sequence[str] = (), *, measures: Sequence[str] = tuple(MEASURES), seed: int = 0
) -> pd.DataFrame:
    """How often named edits move answers as the formulas say, beside other edits of the same pictures.

    by         columns of `moves` whose values get rows of their own, such as class
    measures   of MEASURES; those that `moves` lacks are left out
    Returns    the columns of `by`, measure (MEASURES), pictures (with both kinds of edit for one class), named, others,
               difference, low, high
    Where a class has both kinds of edit in no picture, named and others are means over what there is.
    """
    groups: Any = moves.groupby(list(by), sort=False) if by else [((), moves)]
    rows = [(*values, *row) for values, mine in groups for row in _measured(mine, measures, seed)]
    columns = [*by, "measure", "pictures", "named", "others", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _measured(moves: pd.DataFrame, measures: Sequence[str], seed: int) -> Iterable[tuple]:
    for column in (column for column in measures if column in moves):
        cells = beside(moves, column)
        both = cells.dropna()
        sides = (both if len(both) else cells)[["named", "others"]].mean()
        yield MEASURES[column], both["original"].nunique(), *sides, *with_interval(both, "difference", seed=seed)


def together(by_network: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Do other networks switch where the first one does? Of named edits, for the class of the formula.

    by_network   {network: `moves`, the same edits for all}; the first is the one whose formulas were read
    Returns      network, switched (share of all these edits), too (share of those that switch the first network),
                 alone (share of those that do not); missing where there are none
    """
    (_, first), *others = by_network.items()
    keep = first["named"].to_numpy()
    leads = first["switched"].to_numpy()[keep]
    rows = []
    for name, mine in others:
        own = mine["switched"].to_numpy()[keep]
        rows.append((name, _share(own), _share(own[leads]), _share(own[~leads])))
    return pd.DataFrame(rows, columns=["network", "switched", "too", "alone"])


def _share(which: NDArray) -> float:
    return float(which.mean()) if len(which) else np.nan


def outcomes(made: Edits, after: pd.DataFrame) -> pd.Series:
    """What became of the answer to each edit towards the class of `made.gained`, in the release's words.

    success: it is the class; failure: it is that of the original; partial: it is another one
    """
    last = after.idxmax(axis=1) if len(after) else pd.Series(dtype=str)
    success = [answer in made.gained for answer in last]
    return pd.Series(
        np.where(success, "success", np.where(last == made.table["class_from"], "failure", "partial")), dtype=str
    )
