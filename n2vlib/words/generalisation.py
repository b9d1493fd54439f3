"""How far a describer carries: filters of the network it sees with, of other trainings, and of other architectures.

MILAN's table (section 4) has the overlap with people's descriptions. Ours has truth to the pixel beside it, and in
place of people's descriptions the phrases that a search through the labels finds to fit a filter best.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.probe import ProbeSet
from n2vlib.store import Store
from n2vlib.tables import bootstrap_mean
from n2vlib.words import phrases, regions, truth
from n2vlib.words.decoding import BEAM
from n2vlib.words.describer import Describer, described
from n2vlib.words.exemplars import TAU
from n2vlib.words.overlap import bleu
from n2vlib.words.phrases import Language

SHIFTS = 8  # pairings of descriptions with the phrases of other filters


def across(
    layers: Mapping[str, Layer],
    probe: ProbeSet,
    describer: Describer,
    store: Store,
    *,
    filters: int,
    beam: int = BEAM,
    seed: int = 0,
) -> pd.DataFrame:
    """The same describer asked of filters of several networks: a row for each label.

    layers    read with tau or tau_max of 0.01      filters   of each, drawn at random
    Returns   network, filters, iou (mean), low, high (95% interval over filters), by_chance (descriptions of other
              filters), best (IoU of the phrase that fits best, found by a search through the labels), bleu (overlap
              with that phrase) and bleu_by_chance (with those of others, the mean of SHIFTS; NaN of one filter)
    """
    rows, shown = [], regions.in_images(probe, range(len(probe)))
    for label, layer in layers.items():
        units = np.sort(np.random.default_rng(seed).permutation(layer.n_filters)[:filters])
        texts = described(layer, probe, store, describer, units=units.tolist(), beam=beam)["description"].tolist()
        at = layer.at(TAU)
        counted = truth.of_descriptions(at, probe, units, texts, shown)
        fits = truth.best(at, probe, units, shown)
        low, high = bootstrap_mean(counted["iou"].to_numpy(), seed)
        row = {"network": label, "filters": len(units), "iou": counted["iou"].mean(), "low": low, "high": high}
        row |= {"by_chance": counted["by_chance"].mean(), "best": fits["iou"].mean()}
        rows.append(row | _overlap(texts, fits["description"].tolist(), phrases.language(probe)))
    return pd.DataFrame(rows)


def _overlap(texts: Sequence[str], wanted: Sequence[str], language: Language) -> dict[str, float]:
    """BLEU with all ways to say what is wanted, and with what is wanted of units further on, the mean over shifts."""
    ways = [[phrases.text(language.parse(text), style) for style in range(phrases.STYLES)] for text in wanted]
    others = [bleu(texts, ways[by:] + ways[:by]) for by in range(1, min(len(texts), SHIFTS + 1))]
    return {"bleu": bleu(texts, ways), "bleu_by_chance": float(np.mean(others)) if others else np.nan}
