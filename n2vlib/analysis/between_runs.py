"""Two runs against each other: detectors that appeared and went, concepts that gained, distances of their spaces.

    first, *others = runs.read(rows, probe, tau=0.005, epochs=30)
    between_runs.changes(first, other, iou_threshold=0.04)
    between_runs.gains(first, other)
    between_runs.distances(first, other)

Concepts of two probe sets are the same where name and category are. Differences are of the other run minus the first.
Where both runs have one probe set they are resampled by the same draws of images, so that an image that is hard for
both is no noise; otherwise each by its own.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import tables
from n2vlib.analysis import rsa
from n2vlib.analysis.embeddings import without_start
from n2vlib.analysis.runs import CONCEPT, Run
from n2vlib.masks.iou import iou_of_counts
from n2vlib.methods import dissection
from n2vlib.significance import held_out
from n2vlib.significance.family import family
from n2vlib.vocabulary import METHODS, TASKS

DRAWS = 200  # of images, or of concepts
_AT_ONCE = 8  # draws of images; each needs a number for every filter and concept
KINDS = ["appeared", "went", "stayed"]
DISTANCES = ["concepts", "distance", "typical", "typical_low", "typical_high", "correlation", "correlation_low"]
DISTANCES += ["correlation_high", "shuffled", "below"]


def seeds(first: Run, other: Run) -> tuple[tuple[Run, int], tuple[Run, int]]:
    """Both runs, each with the seed of its draws: one seed where they have one probe set."""
    same = first.probe.fingerprint == other.probe.fingerprint
    return (first, first.seed), (other, first.seed + (not same))


def detected(run: Run, iou_threshold: float) -> pd.DataFrame:
    """For each concept its detectors and the highest dissection IoU of any filter: name, category, detectors, iou,
    filter (the one with that IoU)."""
    iou = dissection.dissection_iou(run.measured.layer, run.probe)
    found = tables.detectors(dissection.filters(run.measured.layer, run.probe), iou_threshold)
    counted = found["concept"].value_counts().reindex(run.concepts.index, fill_value=0)
    return run.concepts.assign(detectors=counted.to_numpy(), iou=iou.max(0), filter=iou.argmax(0))


def detected_draws(run: Run, iou_threshold: float, *, seed: int, draws: int = DRAWS) -> pd.DataFrame:
    """Whether a concept has a detector when the images are drawn again: bool, (draw, concept)."""
    key = "detected", iou_threshold, seed, draws
    if key not in run.kept:
        run.kept[key] = _drawn(run, iou_threshold, seed, draws)
    return run.kept[key]


def _drawn(run: Run, iou_threshold: float, seed: int, draws: int) -> pd.DataFrame:
    every, groups = family(run.measured.layer, run.probe), held_out.GROUPS
    parts = [part.astype(np.float64) for part in held_out.group_counts(every)]  # whole numbers, exact
    times = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), draws).astype(np.float64)
    rows = np.zeros((draws, len(every.candidates)), bool)
    for start in range(0, draws, _AT_ONCE):
        some = times[start : start + _AT_ONCE]
        iou = iou_of_counts(*(np.tensordot(some, part, 1) for part in parts))  # (draw, filter, concept)
        draw, name = np.nonzero(iou.max(2) > iou_threshold)[0], iou.argmax(2)[iou.max(2) > iou_threshold]
        rows[start + draw, name] = True
    return pd.DataFrame(rows, columns=every.candidates.index)


def changes(first: Run, other: Run, iou_threshold: float, *, draws: int = DRAWS) -> pd.DataFrame:
    """Concepts with a detector in one of two runs at least: those that appeared, those that went, then the others.

    Returns   name, category, change (appeared, went, stayed), detectors_before, detectors_after, iou_before, iou_after
              (highest of any filter), filter_before, filter_after, again: the share of draws of images in which the
              change is the same one
    """
    both = pd.concat(
        [detected(run, iou_threshold).set_index(CONCEPT).add_suffix(f"_{when}") for run, when in _both(first, other)],
        axis=1,
        join="inner",
    )
    with_one = both[["detectors_before", "detectors_after"]].to_numpy() > 0
    kind = np.select([~with_one[:, 0] & with_one[:, 1], with_one[:, 0] & ~with_one[:, 1]], KINDS[:2], KINDS[2])
    both = both.assign(
        change=kind,
        again=_again(first, other, both.index, with_one, iou_threshold, draws),
        order=[KINDS.index(each) for each in kind],
        most=both[["iou_before", "iou_after"]].max(axis=1),
    )
    shown = both.loc[with_one.any(1)].sort_values(["order", "most"], ascending=[True, False], kind="stable")
    columns = [f"{name}_{when}" for name in ("detectors", "iou", "filter") for when in ("before", "after")]
    return shown.reset_index().loc[:, [*CONCEPT, "change", *columns, "again"]]


def _both(first: Run, other: Run) -> list[tuple[Run, str]]:
    return [(first, "before"), (other, "after")]


def _again(
    first: Run, other: Run, index: pd.Index, with_one: NDArray[np.bool_], iou_threshold: float, draws: int
) -> NDArray[np.float64]:
    """Share of draws in which a concept has a detector before and after where it has one on the images themselves.

    with_one   (concept, before and after)
    """
    same = np.ones((draws, len(index)), bool)
    for known, (run, seed) in zip(with_one.T, seeds(first, other), strict=True):
        drawn = detected_draws(run, iou_threshold, seed=seed, draws=draws)
        named = drawn.set_axis(run.named(drawn.columns), axis=1)
        same &= named.reindex(columns=index, fill_value=False).to_numpy(bool) == known
    return same.mean(0)


def gains(first: Run, other: Run, *, draws: int = DRAWS) -> pd.DataFrame:
    """The validation scores of the concepts that both runs have, side by side.

    Returns   task, method, name, category, before, after, difference with low and high, its 95% bootstrap interval over
              images; in each task and method the largest gain first
    """
    parts = [_gains(first, other, task, method, draws) for task in TASKS for method in METHODS]
    columns = ["task", "method", *CONCEPT, "before", "after", "difference", "low", "high"]
    return tables.stacked(parts, columns).loc[:, columns]


def _gains(first: Run, other: Run, task: str, method: str, draws: int) -> pd.DataFrame:
    both = pd.DataFrame({when: _scores(run, task, method) for run, when in _both(first, other)}).dropna()
    bounds = _difference_draws(first, other, task, method, both.index, draws).quantile([0.025, 0.975]).to_numpy()
    both = both.assign(difference=both["after"] - both["before"], low=bounds[0], high=bounds[1])
    both = both.sort_values("difference", ascending=False, kind="stable").rename_axis(CONCEPT).reset_index()
    return both.assign(task=task, method=method)


def _scores(run: Run, task: str, method: str) -> pd.Series:
    """Validation scores by name and category, of the concepts that both methods have a number for."""
    return pd.Series(run.measured.wide[task].set_index(CONCEPT)[method])


def _difference_draws(first: Run, other: Run, task: str, method: str, index: pd.Index, draws: int) -> pd.DataFrame:
    """The difference of the scores for each draw, (draw, concept)."""
    values = []
    for run, seed in seeds(first, other):
        resampled = run.measured.resampled(run.probe, draws, seed)
        drawn = tables.draws_of(resampled, run.measured.layer.name, task, method)
        values.append(drawn.set_axis(run.named(drawn.columns), axis=1).reindex(columns=index))
    return values[1] - values[0]


def mean_gains(first: Run, other: Run, *, draws: int = DRAWS) -> pd.DataFrame:
    """`gains` as means over concepts: task, method, concepts, before, after, difference with low and high, its 95%
    bootstrap interval over images; gained and lost, the concepts whose own interval is above and below 0."""
    rows, every = [], gains(first, other, draws=draws)
    for task, method in every[["task", "method"]].drop_duplicates().itertuples(index=False):
        own = every.loc[(every["task"] == task) & (every["method"] == method)]
        drawn = _difference_draws(first, other, task, method, pd.MultiIndex.from_frame(own[CONCEPT]), draws)
        low, high = np.quantile(drawn.mean(axis=1), [0.025, 0.975])
        means = {name: own[name].mean() for name in ("before", "after", "difference")}
        sure = {"gained": (own["low"].to_numpy() > 0).sum(), "lost": (own["high"].to_numpy() < 0).sum()}
        rows.append({"task": task, "method": method, "concepts": len(own)} | means | {"low": low, "high": high} | sure)
    return pd.DataFrame(rows)


def space(run: Run, task: str) -> pd.DataFrame:
    """The directions learned for a task, less their start; index "name, category"."""
    learned = without_start(run.measured.alignments[2 * TASKS.index(task) + 1])
    names = run.concepts.loc[learned.index].agg(", ".join, axis=1)
    return learned.set_axis(names.to_list())


def distances(first: Run, other: Run, *, draws: int = DRAWS) -> pd.DataFrame:
    """How far the concept spaces of two runs are apart, for each task with three concepts in both.

    Returns   task and `rsa.compare`, typical and correlation with their 95% bootstrap interval over concepts
    """
    rows = []
    for task in TASKS:
        one, two = space(first, task), space(other, task)
        if len(one.index.intersection(two.index)) >= 3:
            bounds = rsa.intervals(one, two, seed=first.seed, draws=draws)
            rows.append({"task": task, **rsa.compare(one, two), **bounds})
    return pd.DataFrame(rows, columns=["task", *DISTANCES])
