"""The three uses measured at once, as the verdict asks: analyze, audit, edit (MILAN, sections 4 to 6).

uses.measured(rows, layer, probe, store, by=describer.load(), words=["writing"], images=400, seed=0)
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.compositional.classifier import Classes, classes
from n2vlib.networks.load import Network, load_network
from n2vlib.probe import ProbeSet
from n2vlib.store import Store
from n2vlib.words import ablated, audit, decoding, describer, edit, exemplars, marked
from n2vlib.words.describer import Describer, described
from n2vlib.words.phrases import words_of

MODULES = ["n2vlib.words.uses"]
DRAWS = 200  # random orders; a fifth as many random choices of filters to edit
Interval = tuple[float, float, float]  # a value, and its 95% interval


def measured(
    rows: Sequence[Mapping[str, Any]], layer: Layer, probe: ProbeSet, store: Store, *, by: Describer,
    words: Collection[str], images: int, beam: int = describer.BEAM, seed: int,
) -> dict[str, Interval]:  # fmt: skip
    """The numbers of the claims, kept in the store: {claim: (value, low, high)}.

    rows     of networks, network and layer: trained with the mark, and the same without it
    layer    whose filters are ranked by the length of their description, read with tau_max of at least exemplars.TAU
    beam     descriptions that are compared, of filters on marked images
    us-longer       accuracy over the cuts: mean of random orders, minus the longest descriptions first
    us-audit        share of filters described by the mark: with it in training, minus without
    us-edit         accuracy under a wrong mark: described filters cut, minus as many random ones; left out where no
                    filter is described by the mark
    us-edit-order   the same in the order of the words' probability, minus random orders, on images left over
    Raises BadInput for fewer than two networks, or two of one label.
    """
    audit.labels(rows)
    nets = [load_network(row["network"]) for row in rows[:2]]
    places = [row["layer"] for row in rows[:2]]
    reads = [[net.fingerprint, net.code, net.preprocessing.as_json()] for net in nets]
    inputs = {"networks": reads, "places": places, "layer": layer.fingerprint, "probe": probe.fingerprint}
    inputs |= {"describer": by.key, "words": sorted(words), "images": images, "beam": beam, "seed": seed}

    def make(folder: Path) -> None:
        both = Marked(probe, classes(nets[0].name, probe), store, by, words, images, seed, beam)
        found = {"us-longer": longest_first(layer, probe, store, by, seed), "us-audit": both.audit(nets, places)}
        found |= both.edit(nets[0], places[0])
        (folder / "claims.json").write_text(json.dumps(found), encoding="utf-8")

    folder = store.entry("uses", inputs, MODULES, make)
    return {name: tuple(each) for name, each in json.loads((folder / "claims.json").read_text()).items()}


def longest_first(layer: Layer, probe: ProbeSet, store: Store, by: Describer, seed: int) -> Interval:
    """Mean accuracy over the cuts of random orders, minus that of the longest descriptions first; where 95% of random
    orders lie."""
    lengths = pd.Series(described(layer, probe, store, by)["description"].map(lambda text: len(words_of(text))))
    whole, counts = ablated.of_layer(layer, classes(layer.network, probe)), ablated.steps(layer.n_filters)[1:]
    own = ablated.along(whole, ablated.ranked(lengths, seed)[None], counts).mean()
    chance = ablated.along(whole, ablated.shuffles(np.arange(layer.n_filters), DRAWS, seed), counts).mean(1)
    low, high = np.quantile(chance, [0.025, 0.975])
    return float(chance.mean() - own), float(low - own), float(high - own)


@dataclass(frozen=True, eq=False)
class Marked:
    """Networks on marked images of a probe set, whose classes are those of `known`."""

    probe: ProbeSet
    known: Classes
    store: Store
    by: Describer
    words: Collection[str]
    images: int
    seed: int
    beam: int = describer.BEAM

    def candidates(self, network: Network, layer: str) -> pd.DataFrame:
        """What may be said of the filters on training images, half of them with the right mark."""
        shown, _ = self._shown("train", "half")
        found = exemplars.of_maps(shown, marked.read(network, layer, shown))
        return describer.of_exemplars(found, self.store, self.by, self.beam)

    def audit(self, networks: Sequence[Network], layers: Sequence[str]) -> Interval:
        """Share of the filters described by the mark, of the first network minus the second; Newcombe's interval."""
        said = [_said(self.candidates(*each)) for each in zip(networks, layers, strict=True)]
        counts = audit.counted({str(i): each for i, each in enumerate(said)}, {"": audit.says(self.words)})
        (one, other), low, high = (counts[name].to_numpy() for name in ("share", "low", "high"))
        down, up = np.hypot(one - low[0], high[1] - other), np.hypot(high[0] - one, other - low[1])
        return float(one - other), float(one - other - down), float(one - other + up)

    def edit(self, network: Network, layer: str) -> dict[str, Interval]:
        """Accuracy under a wrong mark after an edit, minus that after random ones; both stopped by validation.

        us-edit is left out where no filter is described by the mark.
        """
        table = self.candidates(network, layer)
        validation = self._answers(network, layer, "train", "any")
        named = np.flatnonzero(audit.names(_said(table), self.words))
        most, every = validation.n_filters // 2, np.arange(validation.n_filters)
        likely = ablated.ranked(audit.probability(table, self.words), self.seed)[None, :most]
        rules = {}
        if len(named):
            as_many = edit.random_orders(validation, len(named), DRAWS // 5, self.seed)
            rules["us-edit"] = False, edit.by_effect(validation, named)[None], as_many
        rules["us-edit-order"] = True, likely, ablated.shuffles(every, DRAWS // 5, self.seed)[:, :most]
        found = {}
        for claim, (left_over, order, by_chance) in rules.items():
            test = self._answers(network, layer, "val", "wrong", left_over)
            (one,), others = edit.stops(validation, order), edit.stops(validation, by_chance)
            found[claim] = edit.ahead(test, one, others, self.seed)
        return found

    def _answers(
        self, network: Network, layer: str, split: str, how: str, left_over: bool = False
    ) -> ablated.Answering:
        shown, truth = self._shown(split, how, left_over)
        return marked.answers(network, layer, self.known, shown, truth)

    def _shown(self, split: str, how: str, left_over: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        images, truth = marked.pictures(self.probe, self.known, split, self.images, left_over)
        which = marked.chosen(truth, how, len(self.known.names), self.seed)
        return marked.write(images, which, self.seed)[0], truth


def _said(candidates: pd.DataFrame) -> pd.Series:
    """The best description of every unit."""
    return pd.Series(decoding.reranked(candidates)["description"])
