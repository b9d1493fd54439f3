"""What training changes in filters: the claims of Network Dissection 3.6 to 3.8 (TPAMI), repeats to wider layers."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from n2vlib.analysis import concept_similarity, history
from n2vlib.claims.claim import Effect, Measures, of_filters
from n2vlib.claims.detectors import compared, fewer, mean_unique, share, unique
from n2vlib.claims.dissected import ALONG, TO_OBJECTS, TO_SCENES, TRAININGS, WIDTHS, Dissected
from n2vlib.zoo import shipped


def repeats_alike(d: Dissected) -> Effect | None:
    """Highest minus lowest number of unique detectors of the repeats, in percent of their mean."""
    tables = list(under(d, "repeat").values())
    if len(tables) < 2 or not max(unique(each) for each in tables):
        return None

    def spread(*layers: Any) -> float:
        counts = np.array([unique(each) for each in layers])
        return 100 * float(np.ptp(counts) / counts.mean()) if counts.any() else np.nan

    return of_filters(spread, tables, _range(tables))


def condition(d: Dissected, name: str, category: str) -> Effect | None:
    """Unique detectors of one category under a condition, minus the mean of the repeats."""
    tables, other = list(under(d, "repeat").values()), next(iter(under(d, name).values()), None)
    if other is None or not tables:
        return None
    note = f"{unique(other, category)}; {_range(tables, category)}"
    return of_filters(lambda mine, *rest: unique(mine, category) - mean_unique(rest, category), [other, *tables], note)


def condition_fewer(d: Dissected, name: str) -> Effect | None:
    """Percent fewer unique detectors under a condition than the mean of the repeats."""
    tables, other = list(under(d, "repeat").values()), next(iter(under(d, name).values()), None)
    if other is None or not tables:
        return None
    note = f"{unique(other)}; {_range(tables)}"
    return of_filters(lambda mine, *rest: fewer(unique(mine), mean_unique(rest)), [other, *tables], note)


def gained(d: Dissected, group: str, lost: bool = False) -> Effect | None:
    """Percent fewer unique detectors at the start of a group than at its end.

    lost   True: fewer at its end than at its start
    """
    layers = d.layers(group)
    if len(layers) < 2:
        return None
    ends = list(layers)[0], list(layers)[-1]
    effect = compared(layers, *(ends[::-1] if lost else ends))
    first, last = (unique(layers[label]) for label in ends)
    return None if effect is None else effect._replace(note=f"{first}, then {last}")


def late(d: Dissected) -> Effect | None:
    """Share of objects and parts among the unique detectors, last snapshot minus first, in percentage points."""
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


def similar(d: Dissected, group: str) -> Effect | None:
    """Percent of the changed detectors whose old and new concept are similar in some respect."""
    changed = _changed(d, group)
    if changed is None or not d.near:
        return None
    moved = changed.loc[~changed["kept"] & changed["detector_before"] & changed["detector_after"]]
    old, new = moved["concept_before"].to_numpy(), moved["concept_after"].to_numpy()
    found = concept_similarity.similar(dict(d.near), old, new)
    if not len(found):
        return None
    chance = concept_similarity.if_permuted(dict(d.near), old, new)
    note = f"{len(found)} filters; {100 * chance:.0f}% if their new concepts are permuted"
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


def under(d: Dissected, name: str) -> dict[str, pd.DataFrame]:
    """The layers of the group "trainings" whose networks were trained under a condition, by their recipes.

    name   "batch norm", "no dropout", or "repeat": with dropout and without batch norm, as in the paper
    """
    return {label: rows for label, rows in d.layers(TRAININGS).items() if _condition(rows) == name}


def _condition(rows: pd.DataFrame) -> str:
    network = str(rows["network"].iloc[0])
    if network not in shipped.names():
        return ""
    recipe = shipped.recipe(network)
    return "batch norm" if recipe.batch_norm else "repeat" if recipe.dropout else "no dropout"


def _range(tables: list[pd.DataFrame], *categories: str) -> str:
    counts = [unique(each, *categories) for each in tables]
    return f"{len(counts)} repeats, {min(counts)} to {max(counts)}"


def _changed(d: Dissected, group: str) -> pd.DataFrame | None:
    """`history.changes` from the start of a group to its end; None with fewer than two labels."""
    labels = list(d.layers(group))
    return history.changes(d.names[group], labels[0], labels[-1]) if len(labels) > 1 else None


MEASURES: Measures = {
    "repeats": repeats_alike,
    "no-dropout-textures": partial(condition, name="no dropout", category="texture"),
    "no-dropout-objects": partial(condition, name="no dropout", category="object"),
    "batch-norm": partial(condition_fewer, name="batch norm"),
    "grows": partial(gained, group=ALONG),
    "late": late,
    "keep-to-scenes": partial(kept, group=TO_SCENES),
    "keep-to-objects": partial(kept, group=TO_OBJECTS),
    "to-scenes": partial(gained, group=TO_SCENES),
    "to-objects": partial(gained, group=TO_OBJECTS, lost=True),
    "alike": partial(similar, group=TO_SCENES),
    "wider": wider,
}
