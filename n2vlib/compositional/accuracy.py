"""Is the network right when a unit fires? (Mu and Andreas 5, Figure 7)

by_unit(fired, answered.right, answered.truth)       # `classifier` says what fires and what is right
correlations(explained(measured, answered))          # with the IoU of formulas, by their length
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis.correlation import p_values
from n2vlib.compositional import beam as beams
from n2vlib.compositional import trust
from n2vlib.compositional.classifier import Answers, fires
from n2vlib.compositional.explain import Filters

DRAWS = 1000
LENGTH = 10  # of the formulas in the paper's Figure 7
# What is correlated over units, and what is held constant: (of the formula, of the unit, given).
WAYS = {
    "IoU": ("iou", "accuracy", ()),
    "IoU on images not searched": ("held_out", "accuracy", ()),
    "firing rate held constant": ("iou", "accuracy", ("rate",)),
    "accuracy beyond the classes": ("iou", "beyond", ()),
}


def by_unit(fired: NDArray[np.bool_], right: NDArray[np.bool_], truth: NDArray[np.int64]) -> pd.DataFrame:
    """How often the network is right on the inputs on which each unit fires (Mu and Andreas 5).

    fired    bool, (input, unit)      right   bool, (input,)      truth   (input,): the class of each input
    Returns  unit, inputs (on which it fires), rate (their share), accuracy (share that is right; NaN for a unit that
             never fires), expected (accuracy of the classes of these inputs, whatever fires), beyond (accuracy -
             expected)
    """
    of_class = pd.Series(right.astype(float)).groupby(np.asarray(truth)).transform("mean").to_numpy()
    times = fired.sum(0)
    sums = np.stack([right, of_class]).astype(float) @ fired
    accuracy, expected = np.divide(sums, times, out=np.full(sums.shape, np.nan), where=times > 0)
    columns = {"unit": np.arange(len(times)), "inputs": times, "rate": times / max(len(fired), 1)}
    return pd.DataFrame(columns | {"accuracy": accuracy, "expected": expected, "beyond": accuracy - expected})


def explained(
    measured: Filters,
    answered: Answers,
    length: int = LENGTH,
    *,
    beam: int = beams.BEAM,
    splits: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Every filter's formulas with the accuracy where it fires: one row for each filter and allowed length.

    splits    divisions of the images for the IoU on the half that was not searched (`trust.held_out`); 0: none
    Returns   the columns of `beam.search` and of `by_unit`, and held_out, the mean over the splits
    """
    found = beams.search(measured.counts(), length, beam=beam)
    if splits:
        halves = trust.held_out(measured, length, beam=beam, splits=splits, seed=seed)
        found = found.join(halves.pivot_table("held_out", ["unit", "allowed"]), on=["unit", "allowed"])
    fired = fires(measured.layer)[answered.inputs]
    return found.merge(by_unit(fired, answered.right, answered.truth), on="unit")


def correlations(table: pd.DataFrame, *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """How accuracy goes with IoU over units, by length and in each of `WAYS` (Mu and Andreas, Figure 7).

    table     `explained`; a way whose columns it lacks is left out
    Returns   way, allowed, and the columns of `correlation`
    """
    rows = []
    for way, (fit, right, given) in WAYS.items():
        if fit not in table:
            continue
        for allowed, each in table.groupby("allowed"):
            held = [each[name].to_numpy() for name in given]
            r = correlation(each[fit].to_numpy(), each[right].to_numpy(), held, seed=seed, draws=draws)
            rows.append({"way": way, "allowed": allowed, **r})
    return pd.DataFrame(rows)


def reliability(fired: NDArray[np.bool_], right: NDArray[np.bool_], seed: int = 0, splits: int = 20) -> float:
    """How far the accuracies of units are more than chance: 1 if another set of inputs would give the same, 0 if not.

    The correlation over units of two random halves of the inputs, mean over the splits, stepped up to all inputs
    (Spearman and Brown). No correlation with accuracy can be expected to exceed its square root. Splits in which no
    accuracy varies are left out; NaN where none is left.
    """
    rng, none, found = np.random.default_rng(seed), np.zeros(len(right), np.int64), []
    for _ in range(splits):
        half = rng.permutation(len(right)) % 2 == 0
        one, other = (by_unit(fired[side], right[side], none[side])["accuracy"].to_numpy() for side in (half, ~half))
        found.append(correlation(one, other, draws=0)["r"])
    known = [r for r in found if not np.isnan(r)]
    r = np.mean(known) if known else np.nan
    return float(2 * r / (1 + r)) if r > -1 else float("nan")


def correlation(
    x: NDArray | pd.Series,
    y: NDArray | pd.Series,
    given: Sequence[NDArray | pd.Series] = (),
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, float]:
    """Pearson's correlation over units, with others held constant where `given`.

    x, y, given   (unit,) each; units where one of them is NaN are left out
    Returns       r; p, two-sided, as if all were normal; low and high, the 95% bootstrap interval over units (NaN
                  without draws); n, the units. NaN where one does not vary
    """
    rows = np.column_stack([np.asarray(each, float) for each in (x, y, *given)])
    rows = rows[~np.isnan(rows).any(1)]
    n = len(rows)
    r = _partial(rows[None])[0] if n > 2 else np.nan
    drawn = np.random.default_rng(seed).integers(0, n, (draws, n)) if n > 2 else np.zeros((0, 0), int)
    many = np.concatenate([_partial(rows[part]) for part in np.array_split(drawn, 20)]) if len(drawn) else drawn.ravel()
    many = many[~np.isnan(many)] if len(many) else many
    low, high = np.quantile(many, [0.025, 0.975]) if len(many) else (np.nan, np.nan)
    p = p_values(np.array([r]), n - len(given))[0]
    return {"r": float(r), "p": float(p), "low": float(low), "high": float(high), "n": n}


def _partial(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of the first two columns, the others held constant: (..., unit, column) to (...)."""
    apart = rows - rows.mean(-2, keepdims=True)
    size = np.sqrt((apart**2).mean(-2, keepdims=True))
    scaled = np.divide(apart, size, out=np.zeros_like(apart), where=size > 1e-12)
    cov = np.swapaxes(scaled, -1, -2) @ scaled / rows.shape[-2]
    ours, others, across = cov[..., :2, :2], cov[..., 2:, 2:], cov[..., :2, 2:]
    left = ours - across @ np.linalg.pinv(others, hermitian=True) @ np.swapaxes(across, -1, -2)
    below = np.sqrt(np.clip(left[..., 0, 0] * left[..., 1, 1], 0, None))
    return np.divide(left[..., 0, 1], below, out=np.full(below.shape, np.nan), where=below > 1e-6)
