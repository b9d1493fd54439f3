"""The methods beside the truth: for each thing in each scene, what they predict of its removal.

table = compared.table(layer, found, asked, drawn, epochs=30, iou_threshold=0.04, seed=0, store=store)
agreement.correlations(table, compared.METHODS)
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.compositional import beam, edits, explain
from n2vlib.compositional.formula import Formula
from n2vlib.device import choose_device
from n2vlib.local import lime
from n2vlib.local.effects import Inside, of_filling, of_lime, of_superpixels, rows_for
from n2vlib.local.lime import Samples
from n2vlib.local.removals import Asked, Removals
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.probe import ProbeSet
from n2vlib.store import Store

FILLED, LIME, LIME_LOGS, AREA = "hidden in its mean color", "LIME", "LIME, log-odds", "area"
REMOVED, ALONG = "direction removed, {}", "along the direction, {}"
EMBEDDINGS = "classification", "segmentation"
BEST, LABELLED, NAMED = "best filter at zero", "filters of its label at zero", "filters whose formula names it at zero"
FLOORS = AREA, "random superpixels", "random direction removed", "random filter at zero"
METHODS = (
    FILLED, LIME_LOGS, LIME, *(way.format(each) for way in (REMOVED, ALONG) for each in EMBEDDINGS),
    LABELLED, NAMED, BEST, *FLOORS,
)  # fmt: skip
LENGTH = 3  # concepts of a formula
MODULES = ["n2vlib.local.compared"]


def table(
    layer: Layer,
    found: Removals,
    asked: Asked,
    drawn: Sequence[Samples],
    *,
    epochs: int,
    iou_threshold: float,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> pd.DataFrame:
    """One row for each pair of a scene and a thing: scene, thing, area, truth and a column for each of METHODS.

    layer           whose filters and directions are asked, of the network that answered
    drawn           LIME's samples of each scene
    epochs, seed    of the directions that Net2Vec learns
    iou_threshold   above it, a filter's label or formula counts
    store           where the table is kept; None: nowhere
    NaN where a method says nothing of a thing: it has no direction, or no filter is labelled with it.
    """
    network, probe = layer.source
    given = {"epochs": epochs, "iou_threshold": iou_threshold, "seed": seed}

    def make() -> pd.DataFrame:
        return _measured(layer, found, asked, drawn, **given, device=device, store=store)

    if store is None:
        return make()
    seen = found.originals, found.images, found.masks, asked.classes, asked.effects
    seen += tuple(each for one in drawn for each in (one.segments, one.rows, one.outputs))
    inputs = given | {"layer": layer.fingerprint, "probe": probe.fingerprint, "weights": network.fingerprint}
    inputs |= {"code": network.code, "preprocessing": network.preprocessing.as_json()}
    inputs |= {"seen": [sha256(np.ascontiguousarray(each).tobytes()).hexdigest() for each in seen]}
    return store.table("removals", inputs, MODULES, make, choose_device(device))


def _measured(
    layer: Layer, found: Removals, asked: Asked, drawn: Sequence[Samples], *,
    epochs: int, iou_threshold: float, seed: int, device: str, store: Store | None,
) -> pd.DataFrame:  # fmt: skip
    network, probe = layer.source
    columns = {"truth": asked.effects, FILLED: of_filling(network, found, asked, device=device, store=store)}
    own = [*zip(drawn, asked.classes.tolist(), strict=True)]
    for name, scale in ((LIME, "probability"), (LIME_LOGS, "log-odds")):
        columns[name] = of_lime([lime.explain(each, c, scale=scale) for each, c in own], found)
    inside, things = Inside(network, layer.name, found, asked, device), found.table["thing"].tolist()
    names = dict(probe.concepts["name"].items())
    for way, method in zip(EMBEDDINGS, (classification, segmentation), strict=True):
        weights = method.align(layer, probe, epochs=epochs, seed=seed).weights.rename(index=names)
        rows = rows_for(things, weights)
        columns |= {REMOVED.format(way): inside.projected(rows), ALONG.format(way): inside.along(rows)}
    best = single_filter.align(layer, probe).weights.rename(index=names)
    by_filter = {BEST: best, LABELLED: labelled(layer, probe, iou_threshold), NAMED: named(layer, probe, iou_threshold)}
    columns |= {name: inside.zeroed(rows_for(things, rows)) for name, rows in by_filter.items()}
    return found.table.assign(**columns, **_at_random(inside, drawn, found, seed))


def _at_random(inside: Inside, drawn: Sequence[Samples], found: Removals, seed: int) -> dict[str, NDArray[np.float64]]:
    """What random superpixels, directions and filters say."""
    rng, (_, superpixels, direction, one) = np.random.default_rng(seed), FLOORS
    weights = [rng.standard_normal(each.rows.shape[1]) for each in drawn]
    noise = rng.standard_normal((len(found.table), inside.activations.shape[1]))
    return {
        superpixels: of_superpixels(weights, [each.segments for each in drawn], found),
        direction: inside.projected(noise),
        one: inside.zeroed((noise == noise.max(1, keepdims=True)).astype(float)),
    }


def labelled(layer: Layer, probe: ProbeSet, iou_threshold: float) -> pd.DataFrame:
    """1 where Network Dissection labels a filter with a concept, with an IoU above the threshold: (name, filter)."""
    labels = dissection.filters(layer, probe)
    kept = labels.loc[labels["dissection_iou"] > iou_threshold]
    return _table(zip(kept["name"], kept["filter"], strict=True), layer.n_filters)


def named(layer: Layer, probe: ProbeSet, iou_threshold: float) -> pd.DataFrame:
    """The same for filters whose formula, of up to LENGTH concepts and without scenes, says it: (name, filter)."""
    counts = edits.without(explain.Filters(layer, probe).counts(), "scene")
    formulas = beam.search(counts, LENGTH).query("allowed == @LENGTH and iou > @iou_threshold").dropna(subset="formula")
    both = zip(formulas["unit"], formulas["formula"], strict=True)
    return _table(((name, k) for k, formula in both for name in asserted(formula)), layer.n_filters)


def asserted(formula: Formula) -> set[str]:
    """The concepts of a formula that do not stand behind a NOT."""
    kept = formula.parts[:1] if formula.operator == "AND NOT" else formula.parts
    return {name for part in kept for name in asserted(part)} if kept else {formula.concept}


def _table(pairs: Iterable[tuple[str, int]], n_filters: int) -> pd.DataFrame:
    """1 for each pair of a name and a filter, names that have none left out: (name, filter)."""
    rows = pd.DataFrame(pairs, columns=["name", "filter"])
    return pd.crosstab(rows["name"], rows["filter"]).reindex(columns=range(n_filters), fill_value=0)
