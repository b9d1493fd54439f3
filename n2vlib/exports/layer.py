"""The tables of one layer: what every method found, as the report shows it."""

import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.methods import dissection
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.report.measured import measure


def tables_of(layer: Layer, probe: ProbeSet, *, epochs: int, seed: int) -> dict[str, pd.DataFrame]:
    """{name: table}, measured, or from the store where it has them.

    concepts   number, name, categories, images and coverage of every concept
    filters    the best concept of every filter, how sure it is (`significance.names.how_sure`), T_k, share of places
    scores     a row for each concept, split and method
    pairs      pixel counts and IoU, or the answer, of each concept in each image, by method
    images     path and split of each position in `pairs`
    weights_*  the concept vectors of both learned methods, a column for each filter, and their bias
    """
    found = measure(layer, probe, epochs=epochs, seed=seed)
    methods = {"single filter": found.alone, **found.learned}
    scores = [dissection.align(layer, probe), *methods.values(), *found.floors.values()]
    pairs = [each.pairs.assign(method=name) for name, each in methods.items()]
    return {
        "concepts": _plain(probe.concepts).rename_axis("concept").reset_index(),
        "filters": found.named.assign(threshold=layer.thresholds, fires=layer.realised, state=layer.state),
        "scores": pd.concat([each.scores for each in scores], ignore_index=True),
        "pairs": pd.concat(pairs, ignore_index=True),
        "images": pd.DataFrame({"image": range(len(probe)), "path": probe.images, "split": probe.split}),
        **{f"weights_{name}": _weights(each) for name, each in found.learned.items()},
    }


def _weights(found: Alignment) -> pd.DataFrame:
    table = found.weights.rename(columns=lambda k: f"filter_{k}").assign(bias=found.bias)
    return table.rename_axis("concept").reset_index()


def _plain(concepts: pd.DataFrame) -> pd.DataFrame:
    """The columns with lists as texts, their parts joined by semicolons."""
    lists = {name: concepts[name].map(lambda each: ";".join(map(str, each))) for name in ("categories", "coverages")}
    return concepts.assign(**lists)
