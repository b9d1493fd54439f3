"""What teaching does to filters: the claims of Network Dissection 3.6 to 3.8 (TPAMI), repeats to wider layers."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from n2vlib.analysis import history, likeness
from n2vlib.claims.claim import Effect, Measures, of_filters
from n2vlib.claims.detecting import compared, fewer, mean_unique, share, unique
from n2vlib.claims.dissected import ALONG, TO_OBJECTS, TO_SCENES, TRAININGS, WIDTHS, Dissected


def repeats_alike(d: Dissected) -> Effect | None:
    """Highest less lowest number of unique detectors of the repeats, in percent of their mean."""
    tables = _repeats(d)
    if len(tables) < 2 or not max(unique(each) for each in tables):
        return None

    def spread(*layers: Any) -> float:
        counts = np.array([unique(each) for each in layers])
        return 100 * float(np.ptp(counts) / counts.mean()) if counts.any() else np.nan

    return of_filters(spread, tables, _range(tables))


def condition(d: Dissected, label: str, category: str) -> Effect | None:
    """Unique detectors of one category under a condition, less the mean of the repeats."""
    tables, other = _repeats(d), d.layers(TRAININGS).get(label)
    if other is None or not tables:
        return None
    note = f"{unique(other, category)}; {_range(tables, category)}"
    return of_filters(lambda mine, *rest: unique(mine, category) - mean_unique(rest, category), [other, *tables], note)


def condition_fewer(d: Dissected, label: str) -> Effect | None:
    """Percent fewer unique detectors under a condition than the mean of the repeats."""
    tables, other = _repeats(d), d.layers(TRAININGS).get(label)
    if other is None or not tables:
        return None
    note = f"{unique(other)}; {_range(tables)}"
    return of_filters(lambda mine, *rest: fewer(unique(mine), mean_unique(rest)), [other, *tables], note)


def gained(d: Dissected, group: str, lost: bool = False) -> Effect | None:
    """Percent fewer unique detectors at the start of a group than at its end.

    lost   True: at its end than at its start
    """
    layers = d.layers(group)
    if len(layers) < 2:
        return None
    ends = list(layers)[0], list(layers)[-1]
    effect = compared(layers, *(ends[::-1] if lost else ends))
    first, last = (unique(layers[label]) for label in ends)
    return None if effect is None else effect._replace(note=f"{first}, then {last}")


def late(d: Dissected) -> Effect | None:
    """Percentage points that objects and parts have more among the unique detectors of the last snapshot."""
    tables = list(d.layers(ALONG).values())
    if len(tables) < 2:
        return None
    kinds = "object", "part"
    first, last = (f"{share(each, *kinds):.0f}% of {unique(each)}" for each in (tables[0], tables[-1]))
    note = f"{first}, then {last}"
    return of_filters(lambda one, other: share(other, *kinds) - share(one, *kinds), [tables[0], tables[-1]], note)


def kept(d: Dissected, group: str) -> Effect | None:
    """Percent of all filters whose best concept is the same before and after a second task."""
    changed = _changed(d, group)
    if changed is None:
        return None
    note = f"{changed['kept'].sum()} of {len(changed)}"
    return of_filters(lambda rows: 100 * rows["kept"].mean(), [changed.loc[:, ["kept"]]], note)


def alike(d: Dissected, group: str) -> Effect | None:
    """Percent of the detectors that changed whose old and new concept are alike in a kind."""
    changed = _changed(d, group)
    if changed is None or not d.near:
        return None
    moved = changed.loc[~changed["kept"] & changed["detector_before"] & changed["detector_after"]]
    old, new = moved["concept_before"].to_numpy(), moved["concept_after"].to_numpy()
    found = likeness.alike(dict(d.near), old, new)
    if not len(found):
        return None
    luck = likeness.dealt_anew(dict(d.near), old, new)
    note = f"{len(found)} filters; {100 * luck:.0f}% if their new concepts are dealt anew"
    return of_filters(lambda rows: 100 * rows["alike"].mean(), [pd.DataFrame({"alike": found})], note)


def wider(d: Dissected) -> Effect | None:
    """Percent fewer unique detectors in the narrow layer than in the wider one that has the fewest."""
    layers = d.layers(WIDTHS)
    if len(layers) < 2:
        return None
    note = ", ".join(f"{label}: {unique(each)}" for label, each in layers.items())
    return of_filters(
        lambda narrow, *rest: fewer(unique(narrow), min(unique(each) for each in rest)), list(layers.values()), note
    )


def _repeats(d: Dissected) -> list[pd.DataFrame]:
    return [rows for label, rows in d.layers(TRAININGS).items() if label.startswith("repeat")]


def _range(tables: list[pd.DataFrame], *categories: str) -> str:
    counts = [unique(each, *categories) for each in tables]
    return f"{len(counts)} repeats, {min(counts)} to {max(counts)}"


def _changed(d: Dissected, group: str) -> pd.DataFrame | None:
    """`history.changes` from the start of a group to its end."""
    labels = list(d.layers(group))
    return history.changes(d.names[group], labels[0], labels[-1]) if len(labels) > 1 else None


MEASURES: Measures = {
    "repeats": repeats_alike,
    "no-dropout-textures": partial(condition, label="no dropout", category="texture"),
    "no-dropout-objects": partial(condition, label="no dropout", category="object"),
    "batch-norm": partial(condition_fewer, label="batch norm"),
    "grows": partial(gained, group=ALONG),
    "late": late,
    "keep-to-scenes": partial(kept, group=TO_SCENES),
    "keep-to-objects": partial(kept, group=TO_OBJECTS),
    "to-scenes": partial(gained, group=TO_SCENES),
    "to-objects": partial(gained, group=TO_OBJECTS, lost=True),
    "alike": partial(alike, group=TO_SCENES),
    "wider": wider,
}
