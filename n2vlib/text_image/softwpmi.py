"""SoftWPMI: how much more the images of a unit fit a phrase than those of other units do (CLIP-Dissect, section 3).

Oikarinen and Weng (ICLR 2023). The fit of image x and phrase c becomes a probability over the phrases,
P_c(x) = softmax_c(temperature * fit). Of the images B_k that excite unit k most,

    score(k, c) = sum_r log(1 + p_r (P_c(x_r) - 1)) - lam * log mean_j exp(the same sum of unit j),

where p_r, the probability that the image of rank r belongs to the unit's examples, falls with the rank.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from n2vlib.errors import BadInput

COUNT, TEMPERATURE, LAM = 100, 10.0, 1.0
FIRST, LAST = 0.998, 0.97  # p of the first rank, and what it falls to
AT_ONCE = 2**23  # numbers in memory


def belongs(count: int) -> NDArray[np.float64]:
    """p_r of each rank: .998 at the first, then in equal steps, .97 one step after the last."""
    return FIRST - np.arange(count) / count * (FIRST - LAST)


def top(activations: NDArray, count: int = COUNT) -> NDArray[np.int64]:
    """The images that excite each unit most, the highest first; ties in order: (image, unit) to (unit, rank)."""
    count = min(count, len(activations))
    return np.argsort(-np.asarray(activations, float), axis=0, kind="stable")[:count].T


def scores(
    activations: NDArray, fits: NDArray, *, count: int = COUNT, temperature: float = TEMPERATURE, lam: float = LAM
) -> NDArray[np.float64]:
    """SoftWPMI of every unit and phrase, (unit, phrase).

    activations   one number of each unit for each image, (image, unit)
    fits          of each phrase to each image, for instance cosines, (image, phrase)
    count         images that stand for a unit      lam   weight of what all units have in common
    """
    return beyond(own(activations, fits, count=count, temperature=temperature), lam)


def own(
    activations: NDArray, fits: NDArray, *, count: int = COUNT, temperature: float = TEMPERATURE
) -> NDArray[np.float64]:
    """The sum over a unit's own images, (unit, phrase); arguments as of `scores`."""
    if len(activations) != len(fits) or not len(fits) or count < 1:
        raise BadInput(f"SoftWPMI: {len(activations)} images of units, {len(fits)} of phrases; they must be the same")
    probability = np.exp(log_softmax(temperature * np.asarray(fits, float), axis=1))
    chosen = top(activations, count)
    ranks, found = belongs(chosen.shape[1])[:, None], np.zeros((len(chosen), fits.shape[1]))
    step = max(1, AT_ONCE // max(1, ranks.size * fits.shape[1]))
    for at in range(0, len(chosen), step):
        factors = 1 + ranks * (probability[chosen[at : at + step]] - 1)
        for first in range(0, len(ranks), COUNT):  # products of so many are far from the smallest number
            found[at : at + step] += np.log(factors[:, first : first + COUNT].prod(1))
    return found


def beyond(given: NDArray[np.float64], lam: float = LAM) -> NDArray[np.float64]:
    """What is left of sums, (unit, phrase), without what all units have in common."""
    return given - lam * (logsumexp(given, axis=0) - np.log(len(given)))
