"""What the methods found, compared with what was planted."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis import saturation
from n2vlib.analysis.uncertainty import interval, resample
from n2vlib.masks.iou import set_iou, single_filter_mask
from n2vlib.methods.alignment import Alignment
from n2vlib.planted.photographs import GRID, SIDE
from n2vlib.planted.plan import Plan
from n2vlib.probe import ProbeSet

_RUN = ["layer", "method", "n_filters"]
CURVE, WEIGHTS = "peak of the curve", "effective number of weights"


def by_kind(scores: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Scores with the kind of encoding in place of the category: `tables` and `saturation` then group by it."""
    return scores.assign(category=_kinds_of(scores["concept"].to_numpy(), plan))


def means(runs: Sequence[Alignment], probe: ProbeSet, plan: Plan, draws: int = 200) -> pd.DataFrame:
    """Mean validation set IoU of each kind of encoding, and its 95% interval over images.

    runs      alignments whose (layer, method, n_filters) differ
    Returns   layer, method, n_filters, kind, mean, concepts, low, high, noise (percent); the simplest kind first
    """
    scores = pd.concat([run.scores for run in runs], ignore_index=True)
    scores = scores.loc[scores["split"] == "val"]
    scores = scores.assign(kind=_kinds_of(scores["concept"].to_numpy(), plan))
    found = scores.groupby([*_RUN, "kind"], sort=False)["set_iou"].agg(mean="mean", concepts="size").reset_index()
    drawn = resample(runs, probe, draws=draws)
    keys = drawn.columns.to_frame(index=False)
    keys = keys.assign(kind=_kinds_of(keys["concept"].to_numpy(), plan))
    places = keys.groupby([*_RUN, "kind"]).indices
    each = pd.DataFrame({key: drawn.iloc[:, at].mean(axis=1) for key, at in places.items()})
    bounds = interval(each).rename_axis([*_RUN, "kind"]).reset_index()
    found = found.merge(bounds, on=[*_RUN, "kind"], how="left")
    found["noise"] = [noise_of(layer) for layer in found["layer"]]
    order = np.argsort([plan.kinds.index(kind) for kind in found["kind"]], kind="stable")
    return found.iloc[order].reset_index(drop=True)


def noise_of(level: str) -> int:
    """The noise of a layer of `Planted` in percent, from its name."""
    return int(level.rpartition("_")[2])


def ceiling(probe: ProbeSet, *, align_corners: bool) -> pd.Series:
    """Validation set IoU of a filter that fires exactly where its concept fills more than half of a cell, by concept.

    probe   of `spell`. Without noise or threshold: the limit set by the grid and the placement of its cells.
    """
    found = {}
    for number in probe.concepts.index:
        masks = np.array([probe.annotated(number, int(i)) for i in probe.images_with(number, "val")])
        cells = masks.reshape(-1, GRID, SIDE // GRID, GRID, SIDE // GRID).mean((2, 4))
        found[number] = set_iou(single_filter_mask(cells > 0.5, (SIDE, SIDE), align_corners), masks)
    return pd.Series(found)


def effective_filters(weights: pd.DataFrame) -> pd.Series:
    """(sum_k w_k^2)^2 / sum_k w_k^4 of every concept: m where m weights are equal and the others are 0."""
    squares = weights.to_numpy(np.float64) ** 2
    return pd.Series(squares.sum(1) ** 2 / (squares**2).sum(1), weights.index)


def number_of_filters(runs: Sequence[Alignment], probe: ProbeSet, plan: Plan) -> pd.DataFrame:
    """How many filters encode a concept, as planted and counted in two ways, for spread and for copied concepts.

    runs      segmentations with several n_filters, all filters among them, of any number of levels
    Returns   noise, plant ("spread" or "copied"; one filter counts as both), planted, counted (CURVE: the F of the
              highest mean set IoU; WEIGHTS: median over the concepts), recovered, low, high (95% over images for the
              peak, the middle half of the concepts for the weights)
    """
    rows = [*_peaks(runs, probe, plan)]
    for run in runs:
        if run.scores["n_filters"].iloc[0] == plan.n_filters:
            rows += _held(run, plan)
    out = []
    for level, kind, counted, recovered, low, high in rows:
        plant, m = plan.planted_as(kind)
        for shown in ("spread", "copied"):
            if plant in ("one filter", shown):
                out.append((noise_of(level), shown, m, counted, recovered, low, high))
    columns = ["noise", "plant", "planted", "counted", "recovered", "low", "high"]
    return pd.DataFrame(sorted(out, key=lambda row: (row[1], row[3], row[0], row[2])), columns=columns)


def _peaks(runs: Sequence[Alignment], probe: ProbeSet, plan: Plan) -> list[tuple]:
    curves = saturation.means(by_kind(pd.concat([run.scores for run in runs]), plan))
    kinds = dict(zip(plan.concepts.index.tolist(), plan.concepts["kind"].tolist(), strict=True))
    found = saturation.enough(curves, saturation.category_means(resample(runs, probe), kinds))
    columns = [found[name].tolist() for name in ("layer", "category", "peak", "peak_low", "peak_high")]
    return [(level, kind, CURVE, *numbers) for level, kind, *numbers in zip(*columns, strict=True)]


def _held(run: Alignment, plan: Plan) -> list[tuple]:
    numbers = effective_filters(run.weights).to_numpy()
    kinds, level = _kinds_of(run.weights.index.to_numpy(), plan), str(run.scores["layer"].iloc[0])
    quarters = {kind: np.quantile(numbers[kinds == kind], [0.5, 0.25, 0.75]).tolist() for kind in plan.kinds}
    return [(level, kind, WEIGHTS, *values) for kind, values in quarters.items()]


def sharing(filters: pd.Series, plan: Plan) -> pd.DataFrame:
    """How many concepts each filter is best for, beside how many it responds to.

    filters   the best filter of each concept, index concept number
    Returns   filter, kind (of its concepts; "idle"), planted, found (concepts it is best for), right (those of them
              that it responds to): one row per filter
    """
    answers, rows = plan.answers, plan.concepts.index.get_indexer(filters.index)
    chosen = np.zeros(answers.shape, np.bool_)
    chosen[rows, filters.to_numpy(np.int64)] = True
    kinds = plan.concepts["kind"].to_numpy()
    return pd.DataFrame(
        {
            "filter": range(plan.n_filters),
            "kind": [str(kinds[column.argmax()]) if column.any() else "idle" for column in answers.T],
            "planted": answers.sum(0),
            "found": chosen.sum(0),
            "right": (chosen & answers).sum(0),
        }
    )


def _kinds_of(concepts: NDArray, plan: Plan) -> NDArray:
    """The kind of encoding of each concept number."""
    return plan.concepts["kind"].to_numpy()[plan.concepts.index.get_indexer(concepts)]
