"""How much of what a filter does does an explanation account for, on images that it was not made from?

An explanation gives every pixel a score: 1 where a label, a formula or a phrase holds, else 0; or a number, as the
ceilings do. On one half of the images the explanation is made, and fitted to the filter by one line. On the other half

iou, precision, recall   compare the pixels where the filter fires with those where the score is above a level
mask                     R^2: the share of the variance over pixels of "fires" (0 or 1) that the line accounts for
image                    R^2: the same of the filter's mean activation over images, from the mean score of each image
r                        the correlation of these two
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from n2vlib import tables
from n2vlib.baselines.linear import Sums, ridge
from n2vlib.errors import BadInput
from n2vlib.words.behaviour import Behaviour

MEASURES = ("iou", "precision", "recall", "mask", "image", "r")
PENALTY = 0.01  # of the linear ceiling, as in `baselines.linear`
DEALS, PLACE_IMAGES = 10, 10.0  # draws of a floor; images that the overall rate counts as at a place
USUAL, DEALT, LINEAR, LOOKUP = "usual place", "of another filter", "all labels, added up", "all combinations of labels"


def accounted(done: Behaviour, scores: NDArray) -> pd.DataFrame:
    """What one explanation of every unit accounts for on the second half, (unit,): MEASURES.

    scores   (unit, cell), bool or numbers; NaN where a unit does not fire on that half, or nothing varies
    """
    scores_ = np.asarray(scores, float)
    masks = scores if scores.dtype == bool else scores_ >= _levels(done, scores_)[:, None]
    found = _overlap(done, masks) | {"mask": _mask_share(done, scores_)} | _image_share(done, scores_)
    return pd.DataFrame({name: found[name] for name in MEASURES}).rename_axis("filter")


def _overlap(done: Behaviour, masks: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    both, fires, holds = (masks * done.fired[1]).sum(1), done.fired[1].sum(1), masks @ done.sizes[1]
    parts = {"iou": fires + holds - both, "precision": holds, "recall": fires}
    return {name: np.where(fires > 0, _share(both, of), np.nan) for name, of in parts.items()}


def _share(part: NDArray, of: NDArray) -> NDArray[np.float64]:
    return np.divide(part, of, out=np.zeros(np.shape(of)), where=of > 0)


def _mask_share(done: Behaviour, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """R^2 over the pixels of the second half, by sums over cells."""
    slope, start = _line(*_moments(done, scores, 0))
    n, s, ss, f, sf = _moments(done, scores, 1)
    error = f - 2 * (slope * sf + start * f) + slope**2 * ss + 2 * slope * start * s + n * start**2
    return 1 - np.divide(error, f - f**2 / n, out=np.full(len(f), np.nan), where=f > 0)


def _moments(done: Behaviour, scores: NDArray[np.float64], side: int) -> tuple[NDArray[np.float64], ...]:
    """Pixels of a half, and sums over them: of the scores, of their squares, of "fires", of both together; (unit,)."""
    sizes, fired = done.sizes[side].astype(float), done.fired[side].astype(float)
    n = np.full(len(scores), sizes.sum())
    return n, scores @ sizes, scores**2 @ sizes, fired.sum(1), (scores * fired).sum(1)


def _line(n: NDArray, x: NDArray, xx: NDArray, y: NDArray, xy: NDArray) -> tuple[NDArray, NDArray]:
    """Slope and start of the least squares line, from sums; slope 0 where x does not vary."""
    spread = xx / n - (x / n) ** 2
    slope = np.divide(xy / n - x * y / n**2, spread, out=np.zeros(len(x)), where=spread > 1e-12)
    return slope, (y - slope * x) / n


def _image_share(done: Behaviour, scores: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """R^2 and r over the images of the second half."""
    y = done.activation
    x = np.zeros_like(y) if done.by_image is None else done.by_image @ scores.T
    made, held = ((x[side], y[side]) for side in done.sides)
    n = np.full(done.n_units, len(made[0]))
    slope, start = _line(n, made[0].sum(0), (made[0] ** 2).sum(0), made[1].sum(0), (made[0] * made[1]).sum(0))
    error = ((held[1] - slope * held[0] - start) ** 2).sum(0)
    x_apart, y_apart = (each - each.mean(0) for each in held)
    spread = (y_apart**2).sum(0)
    size = np.sqrt((x_apart**2).sum(0) * spread)
    r = np.divide((x_apart * y_apart).sum(0), size, out=np.zeros(len(size)), where=size > 1e-12)
    alive = spread > 1e-12
    share = 1 - np.divide(error, spread, out=np.full(len(spread), np.nan), where=alive)
    return {"image": share, "r": np.where(alive, r, np.nan)}


def _levels(done: Behaviour, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score from which on the mask has the largest IoU with each unit on the first half, (unit,)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    sorted_, fired = (np.take_along_axis(each, order, 1) for each in (scores, done.fired[0]))
    both, holds = fired.cumsum(1), done.sizes[0][order].cumsum(1)
    iou = _share(both, holds + both[:, -1:] - both)
    last = np.concatenate([sorted_[:, 1:] < sorted_[:, :-1], np.ones((len(scores), 1), bool)], axis=1)
    return sorted_[np.arange(len(scores)), np.where(last, iou, -1).argmax(1)]


def linear(done: Behaviour, members: csr_array) -> NDArray[np.float64]:
    """The ceiling of all concepts added up: the score of a pixel is a sum of weights of its concepts, (unit, atom).

    The weights are those of ridge regression of "fires" on the first half (`baselines.linear`).
    """
    shows, sizes = members.toarray().astype(float), done.sizes[0].astype(float)
    x, xx = shows @ sizes, (shows * sizes) @ shows.T
    sums = (Sums(sizes.sum(), row.sum(), x, shows @ row, xx) for row in done.fired[0])
    return np.array([ridge(each, PENALTY) @ shows for each in sums])


def combinations(done: Behaviour, pixels: float) -> NDArray[np.float64]:
    """The ceiling of all combinations of labels: the rate at which a unit fires on each atom, (unit, atom).

    pixels   weight of the unit's overall rate in the rate of an atom, so that atoms of few pixels say little
    """
    rate = done.fired[0].sum(1, keepdims=True) / done.sizes[0].sum()
    return (done.fired[0] + pixels * rate) / (done.sizes[0] + pixels)


def joined(done: Behaviour, parts: Sequence[NDArray]) -> NDArray[np.float64]:
    """Several explanations as one: their sum with each unit's best weights on the first half, (unit, cell)."""
    x = np.stack([np.asarray(each, float) for each in parts], axis=1)  # (unit, part, cell)
    sizes, n = done.sizes[0], done.sizes[0].sum()
    mean, rate = (x @ sizes) / n, done.fired[0].sum(1) / n
    spread = (x * sizes) @ np.swapaxes(x, 1, 2) / n - mean[:, :, None] * mean[:, None]
    with_unit = np.einsum("upc,uc->up", x, done.fired[0]) / n - mean * rate[:, None]
    weights = (np.linalg.pinv(spread, rcond=1e-9, hermitian=True) @ with_unit[..., None])[..., 0]
    return np.einsum("up,upc->uc", weights, x)


def together(done: Behaviour, parts: Mapping[str, Sequence[NDArray]]) -> pd.DataFrame:
    """`table` of several explanations taken as one (`joined`), by the names of such sets."""
    return table({name: accounted(done, joined(done, each)) for name, each in parts.items()})


def gains(shares: pd.DataFrame, than: str, measures: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """How much more each explanation accounts for than one of them: with (and the measure), difference, low, high."""
    others = [name for name in shares["explanation"].unique() if name != than]
    rows = [(f"{name}, {of}", *more(shares, name, than, of, seed)) for of in measures for name in others]
    return pd.DataFrame(rows, columns=["with", "difference", "low", "high"])


def dealt(done: Behaviour, scores: NDArray, seed: int, deals: int = DEALS) -> pd.DataFrame:
    """The floor: what the explanations account for after they were dealt to other units, mean over `deals`, MEASURES.

    No unit keeps its own: explanations are moved on by a number of units, after the units were shuffled.
    """
    rng, n = np.random.default_rng(seed), done.n_units
    if n < 2:
        raise BadInput("names of other filters: the layer has one filter only, so there is no other")
    tables_ = []
    for _ in range(deals):
        order, step = rng.permutation(n), rng.integers(1, n)
        other = np.empty(n, np.int64)
        other[order] = np.roll(order, step)
        tables_.append(accounted(done, scores[other]))
    return pd.DataFrame(np.mean(tables_, axis=0), columns=list(MEASURES)).rename_axis("filter")


def compared(
    done: Behaviour, at_places: Behaviour, members: csr_array, explanations: Mapping[str, NDArray], seed: int = 0
) -> pd.DataFrame:
    """`table` of explanations, (unit, atom) each, between their floors and their ceilings.

    at_places   `behaviour.places`, for the floor of a filter's usual place
    members     which concepts an atom shows, (concept, atom)
    """
    found = {"everything": accounted(done, np.ones(done.fired.shape[1:], bool))}
    found[USUAL] = accounted(at_places, combinations(at_places, PLACE_IMAGES))
    found |= {f"{name} {DEALT}": dealt(done, scores, seed) for name, scores in explanations.items()}
    found |= {name: accounted(done, scores) for name, scores in explanations.items()}
    image = done.sizes.sum() / len(done.half)  # pixels
    ceilings = {LINEAR: linear(done, members), LOOKUP: combinations(done, image)}
    return table(found | {name: accounted(done, scores) for name, scores in ceilings.items()})


def table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of `accounted`, one below the other: explanation, filter, MEASURES; filters measured in all of them."""
    whole = pd.concat(found, names=["explanation"]).reset_index()
    dead = whole.loc[whole["mask"].isna() | whole["image"].isna(), "filter"].unique()
    return whole.loc[~whole["filter"].isin(dead)].reset_index(drop=True)


def means(shares: pd.DataFrame, measure: str, seed: int = 0) -> pd.DataFrame:
    """Mean over filters of one measure, with its 95% bootstrap interval: explanation, value, low, high, in order."""
    rows = []
    for name, each in shares.groupby("explanation", sort=False):
        low, high = tables.bootstrap_mean(each[measure].to_numpy(), seed)
        rows.append((name, each[measure].mean(), low, high))
    return pd.DataFrame(rows, columns=["explanation", "value", "low", "high"])


def more(shares: pd.DataFrame, one: str, other: str, measure: str, seed: int = 0) -> tuple[float, float, float]:
    """How much more one explanation accounts for than another: mean over filters, 95% bootstrap interval."""
    wide = shares.pivot(index="filter", columns="explanation", values=measure)
    gain = (wide[one] - wide[other]).to_numpy()
    return (float(gain.mean()), *tables.bootstrap_mean(gain, seed))
