"""The contents of the page as JSON values: filters by number, concepts by their position in probe.concepts."""

import base64

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import released_units
from n2vlib.analysis import embeddings
from n2vlib.baselines import joined, places, summary
from n2vlib.display import style
from n2vlib.display.style import DIGITS, short
from n2vlib.methods.alignment import Alignment, unit
from n2vlib.pages.document import slugs
from n2vlib.report import examples
from n2vlib.report.measured import IOU_THRESHOLD, Measured

RANKED = 10  # entries of a list


def contents(measured: Measured) -> dict:
    """Everything but the pictures themselves; `images` lists those that are needed."""
    names = style.categories(measured.probe.concepts["category"])
    top, deciles = examples.top(measured), examples.by_decile(measured)
    shown = {entry[0] for entries in top for entry in entries}
    shown |= {entry[2] for each in deciles.values() for entry in _pictures(each)}
    return {
        "iou_threshold": IOU_THRESHOLD,
        "grid": list(measured.probe.label_size),
        "categories": list(map(list, zip(names, style.colors(names), strict=True))),
        "concepts": concepts(measured),
        "filters": filters(measured) | {"top": top},
        "weights": {task: weights(found, measured.places) for task, found in measured.learned.items()},
        "users": {task: users(found, measured.places) for task, found in measured.learned.items()},
        "near": {task: near(found, measured.places) for task, found in measured.learned.items()},
        "deciles": deciles,
        "units": released_units.text(measured.layer, measured.probe),
        "images": sorted(shown),
    }


def concepts(measured: Measured) -> dict[str, list]:
    """One list each: name, slug, category, images by split, detectors, the scores, and the best filters by both IoUs.

    best       [filter, dissection IoU]        segmentation   [filter, set IoU on training images, on validation images]
    scores     on validation images: `single` and `combined` set IoU, `accuracy`; None where there is none
    floors     the set IoU of masks that need no network (`everything`, `place`), and of two filters joined (`two`)
    few        whether it has too few training images to trust its scores
    """
    table, splits = measured.probe.concepts, measured.probe.split
    detected = measured.named.loc[measured.named["dissection_iou"] > IOU_THRESHOLD, "concept"].value_counts()
    train, val = (measured.set_iou[split] for split in ("train", "val"))
    learned = measured.learned
    return {
        "number": table.index.tolist(),
        "name": table["name"].tolist(),
        "slug": slugs(table["name"].tolist(), table.index.tolist()),
        "category": table["category"].tolist(),
        "train": measured.holds[splits == "train"].sum(0).tolist(),
        "val": measured.holds[splits == "val"].sum(0).tolist(),
        "detectors": detected.reindex(table.index, fill_value=0).tolist(),
        "single": _score(measured.alone, "set_iou", table.index),
        "combined": _score(learned.get("segmentation"), "set_iou", table.index),
        "accuracy": _score(learned.get("classification"), "accuracy", table.index),
        "everything": _score(measured.floors.get(places.EVERYTHING), "set_iou", table.index),
        "place": _score(measured.floors.get(places.USUAL_PLACE), "set_iou", table.index),
        "two": _score(measured.floors.get(joined.TWO_FILTERS), "set_iou", table.index),
        "few": summary.few(measured.probe).tolist(),
        "best": ranked(measured.iou.T),
        "segmentation": ranked(train.T, val.T),
    }


def filters(measured: Measured) -> dict[str, list]:
    """One list each: concept (None where no IoU exceeds 0), iou, how sure it is (margin, again, chance, q, sure: see
    `names.how_sure`), formula (text) with formula_iou, one_iou (of the best single concept, over the same pixels) and
    held_out_iou, description (text), threshold, fires (share of places), images (where it fires), and serves: [concept,
    dissection IoU, set IoU on validation images], best first."""
    layer, named, formulas = measured.layer, measured.named, measured.formulas
    places = measured.named_place.tolist()
    return {
        "concept": [place if iou > 0 else None for place, iou in zip(places, named["dissection_iou"], strict=True)],
        "iou": short(named["dissection_iou"]),
        **{name: short(named[name]) for name in ("margin", "again", "chance", "q")},
        "sure": named["sure"].tolist(),
        "formula": formulas["formula"].tolist(),
        **{name: short(formulas[name]) for name in ("formula_iou", "one_iou", "held_out_iou")},
        "description": measured.described.tolist(),
        "threshold": short(layer.thresholds),
        "fires": short(layer.realised),
        "images": (np.asarray(layer.highest) > layer.thresholds).sum(0).tolist(),
        "serves": ranked(measured.iou, measured.set_iou["val"]),
    }


def weights(found: Alignment, places: dict[int, int]) -> dict[int, dict]:
    """For each concept: `all` w_k in 127ths of the largest |w_k|, base64 of int8 in the order of the filters; that
    `largest`; and [filter, w_k] of those with the largest |w_k|."""
    entries_of = {}
    for number, row in zip(found.weights.index, found.weights.to_numpy(float), strict=True):
        largest = float(np.abs(row).max())
        steps = np.rint(row / (largest or 1) * 127).astype(np.int8)
        entries = ranked(np.abs(row)[None], row[None])[0]
        entries_of[places[int(number)]] = {
            "all": base64.b64encode(steps.tobytes()).decode(),
            "largest": style.significant(largest, DIGITS),
            "top": [[k, w] for k, _, w in entries],
        }
    return entries_of


def users(found: Alignment, places: dict[int, int]) -> list[list[list]]:
    """For each filter the concepts that use it most: [concept, w_k / ||w||, its rank among the concept's |w_k|].

    Concepts differ in the norm of their weights, so these are scaled to norm one.
    """
    space = unit(found.weights)
    used, at = space.to_numpy(), [places[int(number)] for number in space.index]
    rank = 1 + np.argsort(np.argsort(-np.abs(used), axis=1, kind="stable"), axis=1, kind="stable")
    lists = ranked(np.abs(used).T, used.T, rank.T.astype(float))
    return [[[at[c], share, int(place)] for c, _, share, place in entries] for entries in lists]


def near(found: Alignment, places: dict[int, int]) -> dict[int, list]:
    """For each concept the nearest ones, [concept, cosine of the weights] (Net2Vec 5.3)."""
    space = found.unit_weights()
    nearest: dict[int, list] = {places[int(number)]: [] for number in space.index}
    rows = embeddings.neighbours(space, RANKED).to_dict("records") if len(space) > 1 else []
    for row in rows:
        nearest[places[row["concept"]]].append([places[row["neighbour"]], style.significant(row["cosine"], DIGITS)])
    return nearest


def ranked(values: NDArray, *more: NDArray, count: int = RANKED) -> list[list[list]]:
    """For each row the columns with the largest values above 0: [column, value, *more], largest first, None for NaN.

    The lower column comes first on a tie.
    """
    order = np.argsort(np.nan_to_num(-values), axis=1, kind="stable")[:, :count]
    return [
        [[int(c), *(short([each[row, c]])[0] for each in (values, *more))] for c in columns if values[row, c] > 0]
        for row, columns in enumerate(order)
    ]


def _score(found: Alignment | None, measure: str, numbers: pd.Index) -> list[float | None]:
    """The measure of every concept on validation images."""
    if found is None:
        return [None] * len(numbers)
    rows = found.scores.loc[found.scores["split"] == "val"].set_index("concept")[measure]
    return short(rows.reindex(numbers))


def _pictures(deciles: dict) -> list[list]:
    methods = [deciles.get(method, {}) for method in ("combination", "single filter")]
    return [entry for method in methods for entry in method.get("pictures", [])]
