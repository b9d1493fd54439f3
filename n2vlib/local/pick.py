"""The submodular pick: few pictures whose explanations together show what matters (Ribeiro et al. 2016, section 4).

W = pick.by_concept(explanations, masks)                     # (picture, concept), signed
chosen, covered = pick.greedy(W.to_numpy(), 5)

In the paper's pick the columns are words, which mean the same in every text. Superpixels do not: number 3 of one
picture has nothing to do with number 3 of another. So here the columns are concepts that are labelled in the pictures.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.local.lime import Explanation
from n2vlib.local.superpixels import overlap

GUARANTEE = 1 - 1 / np.e  # of the best coverage (Nemhauser et al. 1978)
MOST = 200_000  # choices that are tried one by one


def toy() -> NDArray[np.int64]:
    """The paper's figure 5: 5 x 5, rows are texts and columns words; rows 2 and 5 are to be picked.

    The text fixes rows 2, 3 and 5 and that the second column is more important than the first. The cells of rows 1 and
    4 are in the figure only; these are one way to agree with the text.
    """
    return np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]])


def importance(w: NDArray) -> NDArray[np.float64]:
    """I_j = sqrt(sum_i |W_ij|), (column,)."""
    return np.sqrt(np.abs(w).sum(0))


def coverage(w: NDArray, rows: Sequence[int] | NDArray) -> float:
    """c(V) = sum_j [some i in V has W_ij != 0] I_j, the importance of the columns that the rows cover."""
    return float(importance(w)[(w[list(rows)] != 0).any(0)].sum())


def greedy(w: NDArray, budget: int, *, last: bool = False) -> tuple[list[int], list[float]]:
    """The rows picked, each time the one that adds most coverage, and the coverage after each (Algorithm 2).

    w      (row, column)      budget   rows to pick, at most those there are
    last   pick the last of equals, as the authors' code does; else the first, as in the paper's figure 5
    """
    used, weight = w != 0, importance(w)
    chosen: list[int] = []
    seen, found = np.zeros(w.shape[1], np.bool_), []
    for _ in range(min(budget, len(w))):
        left = [i for i in range(len(w)) if i not in chosen]
        after = [weight[seen | used[i]].sum() for i in left]
        at = len(after) - 1 - int(np.argmax(after[::-1])) if last else int(np.argmax(after))
        chosen.append(left[at])
        seen |= used[left[at]]
        found.append(float(weight[seen].sum()))
    return chosen, found


def best(w: NDArray, budget: int) -> tuple[list[int], float]:
    """The rows that cover most, by trying all choices.

    Raises BadInput where there are more than MOST choices.
    """
    if comb(len(w), budget) > MOST:
        raise BadInput(f"{budget} of {len(w)} pictures: too many choices to try all; give fewer pictures")
    choices = np.array([*combinations(range(len(w)), budget)])
    covered = (w != 0)[choices].any(1) @ importance(w)
    return choices[covered.argmax()].tolist(), float(covered.max())


def at_random(w: NDArray, budget: int, *, seed: int, draws: int = 1000) -> NDArray[np.float64]:
    """The coverage of rows drawn at random, in each of the draws: (draw,)."""
    rng = np.random.default_rng(seed)
    chosen = rng.random((draws, len(w))).argsort(1)[:, :budget]
    return (w != 0)[chosen].any(1) @ importance(w)


def by_concept(
    explanations: Sequence[Explanation], shown: Sequence[Mapping[str, NDArray[np.bool_]]], *, most: int
) -> pd.DataFrame:
    """What the explanations say about concepts: (picture, concept), signed.

    shown   for each picture {concept: mask, bool, (h, w)}
    most    so many concepts of a picture are kept, those of the largest weights, as the paper explains by K features
    Each superpixel's weight is shared out evenly over its pixels, and a concept has the sum over its mask.
    """
    rows = []
    for explained, masks in zip(explanations, shown, strict=True):
        given = overlap(np.stack([*masks.values()]), explained.segments) @ explained.weights if masks else []
        row = pd.Series(given, index=[*masks], dtype=float)
        rows.append(row.loc[row.abs().sort_values(ascending=False, kind="stable").index[:most]])
    return pd.DataFrame(rows).fillna(0.0).reset_index(drop=True).sort_index(axis=1)
