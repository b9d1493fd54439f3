"""How well a trained network tells what it was trained for, on images it has not seen."""

import numpy as np


def scene_accuracy(scores: np.ndarray, scene: np.ndarray) -> float:
    """Share of the images with a scene whose highest score is their own.

    scores (image, scene); scene (image,), -1 where there is none
    """
    known = scene >= 0
    return float((scores[known].argmax(1) == scene[known]).mean())


def average_precision(scores: np.ndarray, present: np.ndarray) -> float:
    """Mean over the positives of the precision at their rank; ties count as found together. (image,) each."""
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(present[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    precision, total = found[last_of_tie] / (last_of_tie + 1), found[last_of_tie]
    return float((np.diff(total, prepend=0) * precision).sum() / total[-1])


def balanced_accuracy(scores: np.ndarray, present: np.ndarray, cut: float = 0.0) -> float:
    """Mean of the shares of positives above the cut and of negatives at or below it. (image,) each."""
    return float(((scores[present] > cut).mean() + (scores[~present] <= cut).mean()) / 2)
