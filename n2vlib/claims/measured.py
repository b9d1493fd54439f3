"""The tables that the claims of Net2Vec need, made by the same calls as in the chapters: nothing is learned twice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.analysis import comparison, correlation, embeddings, per_image, saturation, sharing, uncertainty
from n2vlib.analysis.comparison import aligned
from n2vlib.claims.images import coherence, of_images
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.methods.segmentation import alphas
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.spaces import drawn
from n2vlib.vocabulary import METHODS, OF_TASK, TASKS

ONE, MANY = METHODS
HYPERNYMS, VECTORS = "hypernyms", "word vectors"


@dataclass(frozen=True)
class Measured:
    """What one run measured. In tables with rows for draws, row 0 is as measured, the others resample the images.

    network       its name, and layers: in the order of the run, shallow to deep; filters: of the deepest
    concepts      index concept; name, category, training (images), area (mean share of an image that has it)
    scores        validation scores, (row; layer, task, method, concept)
    fewer         {task: (row; n_filters, concept)}, runs of the deepest layer on F filters
    chosen        `sharing.strongest_filters`, both tasks, all layers
    correlations  layer, concept, r, p: of max(w, 0) with the filters' own set IoU
    images        {method: `of_images`} of the deepest layer
    coherence     {method: share of the ten top images that contain the concept, by concept}
    together      (concept, concept): how much more often two concepts are in one image than by chance
    networks      {name: (row; task, method, concept)}, deepest layers of several networks
    training      {name: supervised, self-supervised, or anything else}
    maps          names of `networks`: a layer of finer grid, a coarser one of the same network, a VGG-like last layer
    spaces        {(name, task): unit vectors (concept, dimension)} of the deepest layers; of this network also with
                  "single filter" for the task, its best filters
    words         {"hypernyms" or "word vectors": unit vectors}, spaces that do not come from a network
    """

    network: str
    layers: list[str]
    filters: int
    concepts: pd.DataFrame
    scores: pd.DataFrame
    fewer: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    chosen: pd.DataFrame = field(default_factory=pd.DataFrame)
    correlations: pd.DataFrame = field(default_factory=pd.DataFrame)
    images: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    coherence: Mapping[str, pd.Series] = field(default_factory=dict)
    together: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    maps: Sequence[str] = ()
    spaces: Mapping[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    words: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def both(self, layer: str, task: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Single filter and combination, (row, concept), on the concepts for which both have a number in row 0."""
        return paired(part(self.scores, layer), task)

    def category(self, concepts: Iterable[int]) -> pd.Series:
        """The category of each concept."""
        return self.concepts.loc[list(concepts), "category"]

    def trained(self) -> list[str]:
        """The trained networks with spaces for both tasks."""
        named = [name for name, kind in self.training.items() if kind in ("supervised", "self-supervised")]
        return [name for name in named if all((name, task) in self.spaces for task in TASKS)]


def paired(scores: pd.DataFrame, task: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Single filter and combination of columns (task, method, concept), on the concepts with a number for both."""
    one, many = (part(scores, task, method) for method in (ONE, MANY))
    known = one.columns[one.iloc[0].notna()].intersection(many.columns[many.iloc[0].notna()])
    return one.loc[:, known], many.loc[:, known]


def part(table: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """The columns with these keys in their first levels, which are dropped."""
    chosen = np.ones(table.shape[1], np.bool_)
    for level, key in enumerate(keys):
        chosen &= table.columns.get_level_values(level) == key
    return table.loc[:, chosen].droplevel(list(range(len(keys))), axis=1)


def measure(
    network: str,
    layers: Mapping[str, Layer],
    probe: ProbeSet,
    *,
    epochs: int,
    seed: int,
    subsets: Mapping[str, list[int]],
) -> Measured:
    """The tables of one network's layers on one probe set.

    subsets   {task: numbers of filters} of the runs in the deepest layer; all of its filters are added
    """
    found = {name: aligned(layer, probe, epochs, seed) for name, layer in layers.items()}
    name, deepest = list(layers.items())[-1]
    one, many = found[name][TASKS[0], ONE], found[name][TASKS[0], MANY]
    align, fewer = {TASKS[0]: segmentation.align, TASKS[1]: classification.align}, {}
    for task, sizes in subsets.items():
        runs = saturation.runs(align[task], deepest, probe, sizes, epochs=epochs, seed=seed).values()
        fewer[task] = samples(runs, probe).droplevel(["layer", "task", "method"], axis=1)
    everything = [each for four in found.values() for each in four.values()]
    return Measured(
        network=network,
        layers=list(layers),
        filters=deepest.n_filters,
        concepts=concepts_of(probe),
        scores=samples(everything, probe).droplevel("n_filters", axis=1),
        fewer=fewer,
        chosen=pd.concat([sharing.strongest_filters(four[key]) for four in found.values() for key in _CHOOSING]),
        correlations=pd.concat([correlations(layers[n], probe, four[TASKS[0], MANY]) for n, four in found.items()]),
        images={m: of_images(per_image.with_silence(each, deepest), probe) for m, each in ((ONE, one), (MANY, many))},
        coherence={m: coherence(each, deepest, probe) for m, each in ((ONE, one), (MANY, many))},
        together=drawn.shown_with(presence(probe, "train")),
        spaces={
            (network, TASKS[0]): embeddings.without_start(many),
            (network, TASKS[1]): embeddings.without_start(found[name][TASKS[1], MANY]),
            (network, ONE): one.unit_weights(),
        },
    )


_CHOOSING = ((TASKS[0], ONE), (TASKS[1], MANY))  # whose largest weight is the best filter


def samples(alignments: Iterable[Alignment], probe: ProbeSet, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Validation scores as measured (row 0) and in each draw of the images, columns as `uncertainty.resample`."""
    found = list(alignments)
    drawn_again = uncertainty.resample(found, probe, "val", draws, seed)
    rows = pd.concat([each.scores.loc[each.scores["split"] == "val"] for each in found])
    rows = rows.assign(value=[row[OF_TASK[row["task"]].column] for row in rows.to_dict("records")])
    measured = pd.Series(rows["value"].to_numpy(), pd.MultiIndex.from_frame(rows.loc[:, uncertainty.KEYS]))
    return pd.concat([measured.reindex(drawn_again.columns).to_frame().T, drawn_again], ignore_index=True)


def with_networks(
    m: Measured, measured: Sequence[comparison.Measured], maps: Sequence[comparison.Measured], probe: ProbeSet
) -> Measured:
    """`m` with the layers of several networks added.

    measured   one layer of each, the run's own network among them
    maps       layers whose maps differ in size; several of one network, and a VGG-like network here or in `measured`
    """
    fine, coarse = _two_maps(maps)
    vgg = [one for one in (*maps, *measured) if comparison.family(one.network) == "vgg"][:1]
    named = {one.label: one for one in measured} | {_called(one): one for one in (*fine, *coarse, *vgg)}
    networks = {
        name: samples(one.alignments, probe).droplevel(["layer", "n_filters"], axis=1) for name, one in named.items()
    }
    spaces = {
        (one.label, task): embeddings.without_start(found)
        for one in measured
        for task, found in zip(TASKS, (one.alignments[1], one.alignments[3]), strict=True)
    }
    training = {one.label: one.training for one in measured}
    sizes = [_called(one) for one in (*fine, *coarse, *vgg)] if fine and coarse else []
    return replace(m, networks=networks, training=training, maps=sizes, spaces={**m.spaces, **spaces})


def _two_maps(maps: Sequence[comparison.Measured]) -> tuple[list[comparison.Measured], list[comparison.Measured]]:
    """The first layer on the finest map and the last on the coarsest, of the first network with maps of two sizes."""
    for one in maps:
        layers = [other for other in maps if other.network.fingerprint == one.network.fingerprint]
        places = [np.prod(other.layer.grid) for other in layers]
        if max(places) > min(places):
            coarsest = len(places) - 1 - places[::-1].index(min(places))
            return [layers[places.index(max(places))]], [layers[coarsest]]
    return [], []


def _called(one: comparison.Measured) -> str:
    return f"{one.label}, {one.layer.name}"


def concepts_of(probe: ProbeSet) -> pd.DataFrame:
    """name, category, training (images) and area (mean share of an image, over training images that have it)."""
    training = [len(probe.images_with(int(concept), "train")) for concept in probe.concepts.index]
    return probe.concepts[["name", "category"]].assign(training=training, area=1 - alphas(probe))


def correlations(layer: Layer, probe: ProbeSet, together: Alignment) -> pd.DataFrame:
    """`correlation.of_weights` for each concept with validation images: concept, r, p, layer."""
    rows = together.scores[(together.scores["split"] == "val") & (together.scores["images"] > 0)]
    iou = pd.DataFrame(single_filter.set_iou(layer, probe, "val").T, index=probe.concepts.index)
    found = correlation.of_weights(together.weights.loc[rows["concept"]], iou.loc[rows["concept"]])
    return found.rename_axis("concept").reset_index().assign(layer=layer.name)
