"""Where the combination loses against the single filter, and why (Net2Vec 4.1, failure cases)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.kernels.combination import count_at_thresholds
from n2vlib.masks.iou import iou_of_counts, taps_of, upsample
from n2vlib.methods.alignment import Alignment
from n2vlib.methods.segmentation import alphas
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.tables import side_by_side
from n2vlib.workers.threads import ahead


def table(alone: Alignment, together: Alignment, probe: ProbeSet) -> pd.DataFrame:
    """One row per concept that both methods have a number for, on validation images.

    alone, together   the single filter and the combination, same layer and task
    Returns           concept, name, category; single filter, combination (validation images);
                      training, images: how many images of each split have the concept
                      area      mean share of an image that the concept covers, training images that have it
                      gain, gain_in_training     combination - single filter
                      loses     gain < 0
                      and for masks times, times_in_training: predicted area of the combination, in annotated areas
    """
    scores = pd.concat([alone.scores, together.scores], ignore_index=True)
    layer, task = str(scores["layer"].iloc[0]), str(scores["task"].iloc[0])
    out = side_by_side(scores, layer, task)
    concepts = out["concept"].to_numpy()
    trained = side_by_side(scores, layer, task, split="train")
    learned = (trained["combination"] - trained["single filter"]).to_numpy()
    more: dict[str, Any] = {
        "training": [len(probe.images_with(c, "train")) for c in concepts],
        "area": 1 - alphas(probe)[np.searchsorted(probe.concepts.index, concepts)],
        "gain": out["combination"] - out["single filter"],
        "gain_in_training": _of(pd.Series(learned, trained["concept"]), concepts),
    }
    if "predicted" in together.pairs:
        more["times"] = _of(times(together.pairs, "val"), concepts)
        more["times_in_training"] = _of(times(together.pairs, "train"), concepts)
    return out.assign(**more, loses=more["gain"] < 0)


def by_layer(cases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How many combinations lose in each layer, and their training images; cases   {layer: `table`}."""
    rows = []
    for layer, found in cases.items():
        losing = found.loc[found["loses"]]
        rows.append({
            "layer": layer, "concepts": len(found), "lose": len(losing),
            "of those on training images too, %": 100 * (losing["gain_in_training"] < 0).mean(),
            "median training images, lose": losing["training"].median(),
            "median training images, all": found["training"].median(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def times(pairs: pd.DataFrame, split: str) -> pd.Series:
    """Predicted area in annotated areas, over the images of a split that have the concept: by concept."""
    rows = pairs.loc[pairs["split"] == split].groupby("concept")
    return rows["predicted"].sum() / rows["annotated"].sum()


def at_thresholds(layer: Layer, probe: ProbeSet, weights: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """Pixel counts and set IoU of the masks S(sum_k w_k 1[A_k > T_k]) > threshold, where the paper's threshold is 0.

    The sigmoid of a threshold is the threshold on M(x; w), 1/2 in the paper. A threshold is a bias of opposite sign.
    weights   (concept, filter), as `segmentation.align` returns them      thresholds   ascending
    Returns   concept, threshold, split, intersection, predicted, annotated (pixels), set_iou; NaN without an image
    """
    if list(thresholds) != sorted(set(thresholds)):
        raise BadInput(f"thresholds {list(thresholds)}: give them in ascending order, each once")
    labels, rows, image = probe.labels, concept_positions(probe), image_of_pair(probe)
    down, across = (each.shares() for each in taps_of(layer.grid, probe.label_size, align_corners=True))
    shared = (*layer.fired, *layer.grid), (np.asarray(labels.maps), labels.map_ptr), down, across
    validation, counts = probe.split[image] == "val", np.zeros((len(weights), len(thresholds), 2, 3), np.int64)
    mine = [np.flatnonzero(rows == row) for row in np.searchsorted(probe.concepts.index, weights.index)]

    def count(at: int) -> tuple[NDArray, NDArray]:
        learned, pairs = np.ascontiguousarray(weights.iloc[at], np.float32), mine[at]
        wanted = np.asarray(thresholds, np.float32)
        return count_at_thresholds(learned, wanted, image[pairs], labels.pair_local[pairs], *shared)

    for at, found in enumerate(ahead(count, range(len(weights)))):
        for split in (0, 1):
            here = validation[mine[at]] == split
            counts[at, :, split, 0], counts[at, :, split, 1] = (part[here].sum(axis=0) for part in found)
            counts[at, :, split, 2] = labels.pair_area[mine[at]][here].sum()
    index = pd.MultiIndex.from_product(
        [weights.index, thresholds, ["train", "val"]], names=["concept", "threshold", "split"]
    )
    out = pd.DataFrame(counts.reshape(-1, 3), index, ["intersection", "predicted", "annotated"]).reset_index()
    iou = iou_of_counts(out["intersection"].to_numpy(), out["predicted"].to_numpy(), out["annotated"].to_numpy())
    return out.assign(set_iou=np.where(out["annotated"] > 0, iou, np.nan))


def best_threshold(counted: pd.DataFrame) -> pd.DataFrame:
    """Each concept's threshold with the highest set IoU on training images, of `at_thresholds`; the lower on a tie.

    Returns   index concept; threshold, train and val (its set IoU on each split)
    """
    wide = counted.pivot(index=["concept", "threshold"], columns="split", values="set_iou").dropna(subset="train")
    best = wide.loc[wide.groupby("concept")["train"].idxmax()]
    return best.reset_index("threshold").rename_axis(columns=None)


def remedies(cases: pd.DataFrame, tried: dict[str, pd.Series]) -> pd.DataFrame:
    """The effect of each change on the concepts that lose, and on the others.

    cases   `table`      tried   {change: score on validation images by concept}
    Returns change; concepts that no longer lose, still lose, newly lose; mean change of the score, losers and others
    """
    rows, loses = [], cases["loses"].to_numpy()
    for name, score in tried.items():
        value = _of(score, cases["concept"].to_numpy())
        ahead, change = value >= cases["single filter"].to_numpy(), pd.Series(value - cases["combination"].to_numpy())
        sides = {"no longer lose": ahead & loses, "still lose": ~ahead & loses, "newly lose": ~ahead & ~loses}
        counts = {side: int(concepts.sum()) for side, concepts in sides.items()}
        moved = {"change, losers": change[loses].mean(), "change, others": change[~loses].mean()}
        rows.append({"change": name} | counts | moved)
    return pd.DataFrame(rows)


def smallest_mask(layer: Layer, probe: ProbeSet) -> tuple[float, float]:
    """Share of the image covered by the mask of one fired place, in the middle of the grid.

    Returns   for a combination, S > 0: wherever the upsampled place reaches; for a single filter, S > 1/2
    """
    fired = np.zeros(layer.grid)
    fired[layer.grid[0] // 2, layer.grid[1] // 2] = 1
    enlarged = upsample(fired, probe.label_size, align_corners=True)
    return float((enlarged > 0).mean()), float((enlarged > 0.5).mean())


def _of(values: pd.Series, concepts: NDArray) -> NDArray[np.float64]:
    """The values of these concepts, NaN where there is none."""
    return values.reindex(concepts).to_numpy(float)
