"""What the page holds: how the runs were measured, and each of the others against the first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from n2vlib.analysis import between_runs
from n2vlib.analysis.runs import CONCEPT, Run
from n2vlib.display import style
from n2vlib.pages.document import slugs

DIGITS = 3


def contents(found: Sequence[Run], iou_threshold: float, draws: int = between_runs.DRAWS) -> dict:
    """The page's values: about (iou_threshold, draws), categories, concepts of the first run (name, category, slug),
    runs (`_described`), and pairs (`_pair` of the first run with each of the others)."""
    first, *others = found
    concepts = first.concepts
    names = style.categories(concepts["category"])
    word = slugs([run.label for run in found], list(range(len(found))))
    return {
        "about": {"iou_threshold": iou_threshold, "draws": draws},
        "categories": list(map(list, zip(names, style.colors(names), strict=True))),
        "concepts": {
            "name": concepts["name"].tolist(), "category": concepts["category"].tolist(),
            "slug": slugs(concepts["name"].tolist(), concepts.index.tolist()),
        },
        "runs": [_described(run, slug, iou_threshold) for run, slug in zip(found, word, strict=True)],
        "pairs": [_pair(first, other, iou_threshold, draws) for other in others],
    }  # fmt: skip


def _described(run: Run, slug: str, iou_threshold: float) -> dict:
    """label, slug, and what the run is: network, layer, filters, probe set, images, seed; detectors, unique ones."""
    layer, own = run.measured.layer, between_runs.detected(run, iou_threshold)["detectors"].to_numpy()
    return {
        "label": run.label, "slug": slug, "network": run.measured.network.name.rpartition(":")[2], "layer": layer.name,
        "filters": layer.n_filters, "probe": run.probe.name, "images": len(run.probe), "seed": run.seed,
        "tau": layer.tau, "detectors": int(own.sum()), "unique": int((own > 0).sum()),
        "fingerprint": layer.fingerprint[:12],
    }  # fmt: skip


def _pair(first: Run, other: Run, iou_threshold: float, draws: int) -> dict:
    """changes, means and distances as rows; gains: for each "task, method" the concepts by their place among those of
    the first run, [before, after, difference, low, high]."""
    places = {key: place for place, key in enumerate(first.concepts.itertuples(index=False, name=None))}
    gains: dict[str, dict] = {}
    for row in _rows(between_runs.gains(first, other, draws=draws)):
        own = gains.setdefault(f"{row['task']}, {row['method']}", {})
        own[places[row["name"], row["category"]]] = [row[n] for n in ("before", "after", "difference", "low", "high")]
    changes = _rows(between_runs.changes(first, other, iou_threshold, draws=draws))
    return {
        "changes": [{"at": places[row["name"], row["category"]], **_without_names(row)} for row in changes],
        "gains": gains,
        "means": _rows(between_runs.mean_gains(first, other, draws=draws)),
        "distances": _rows(between_runs.distances(first, other, draws=draws)),
    }


def _without_names(row: dict) -> dict:
    return {name: value for name, value in row.items() if name not in CONCEPT}


def _rows(table: pd.DataFrame) -> list[dict]:
    """The rows as JSON values: numbers to three significant digits, None for NaN."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: object) -> object:
    if isinstance(value, float):
        return style.significant(value, DIGITS) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
