"""What the methods report where the answer is known without planting: with shuffled labels, or a mask of everything."""

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.analysis import mask_bias
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet


def control(layer: Layer, labels: ProbeSet, *, epochs: int, seed: int) -> dict[str, float]:
    """Both methods on one layer, as published and each with its best bias: means over concepts, validation images.

    labels    the layer's own probe set, or `shuffled` of it
    Returns   set IoU: "single filter", "combination", "single, bias", "combination, bias", and "everything", of a mask
              that covers the whole image; "% as good" and "%, both with a bias", the share of concepts for which the
              combination is at least as good; "accuracy", of classification from standardised activations
    """
    alone, together = single_filter.align(layer, labels), segmentation.align(layer, labels, epochs=epochs, seed=seed)
    each = pd.DataFrame(
        {
            "single filter": _set_iou(alone),
            "combination": _set_iou(together),
            "single, bias": _set_iou(mask_bias.at_best_bias(alone, layer, labels)),
            "combination, bias": _set_iou(mask_bias.at_best_bias(together, layer, labels)),
        }
    ).dropna()
    one, many, one_biased, many_biased = each.to_numpy(np.float64).T
    shown = together.pairs.loc[together.pairs["split"] == "val"]
    share = np.array(shown.groupby("concept")["annotated"].mean(), np.float64) / np.prod(labels.label_size)
    classified = classification.align(layer, labels, epochs=epochs, seed=seed, features="standardised").scores
    accuracy = classified.loc[classified["split"] == "val", "accuracy"].to_numpy(np.float64)
    return {
        **each.mean().to_dict(),
        "% as good": 100 * float((many >= one).mean()),
        "%, both with a bias": 100 * float((many_biased >= one_biased).mean()),
        "everything": float(share.mean()),
        "accuracy": float(np.nanmean(accuracy)),
    }


def _set_iou(found: Alignment) -> pd.Series:
    rows = found.scores.loc[found.scores["split"] == "val"]
    return pd.Series(rows["set_iou"].to_numpy(), rows["concept"])
