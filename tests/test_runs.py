"""Two runs against each other: by slow loops, against themselves, and on two probe sets with other numbers."""

import json
import re
from dataclasses import replace

import measured as small
import numpy as np
import pandas as pd
import pytest

from n2vlib import compare_page
from n2vlib.analysis import between_runs, rsa, runs
from n2vlib.cli.options import networks_in
from n2vlib.errors import BadInput
from n2vlib.masks.iou import iou_of_counts
from n2vlib.methods import dissection
from n2vlib.parameters import check_value
from n2vlib.probe import load_probe
from n2vlib.probe.broden import write
from n2vlib.significance import held_out
from n2vlib.significance.family import family
from n2vlib.store import Store

CUT = 0.033  # dissection IoU of a detector: some of the random filters are above it
SHOWN = {"size": 32, "mean": 0.5, "std": 0.25}
CONCEPT = ["name", "category"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Layers 1 and 3 on one probe set, and layer 1 on one with other images whose concepts have other numbers."""
    folder = tmp_path_factory.mktemp("runs")
    probe, module = small.probe_in(folder), small.network().module
    numbers = dict(zip(small.NAMES, reversed(small.NAMES), strict=True))
    moved = (_renumbered(scene, numbers) for scene in small.scenes(30, seed=7))
    write(folder / "other", moved, {numbers[number]: name for number, name in small.NAMES.items()})
    row = {"network": module, "preprocessing": SHOWN, "label": "fine", "layer": "1"}
    rows = [row, {**row, "layer": "3", "label": "coarse"}, {**row, "probe": str(folder / "other"), "label": "other"}]
    options = {"tau": small.TAU, "epochs": 3, "device": "cpu", "store": Store(str(folder / "store"))}
    return runs.read(rows, probe, **options), rows, probe, options


def _renumbered(scene, numbers):
    table = np.zeros(64, np.uint16)
    table[list(numbers)] = list(numbers.values())
    maps = {category: [table[each] for each in layers] for category, layers in scene.maps.items()}
    whole = {category: [numbers[number] for number in some] for category, some in scene.whole.items()}
    return replace(scene, maps=maps, whole=whole)


def _detectors(run):
    """{(name, category): number of detectors}, filter by filter."""
    rows = dissection.filters(run.measured.layer, run.probe)
    found = {}
    for row in rows.to_dict("records"):
        if row["dissection_iou"] > CUT:
            key = row["name"], row["category"]
            found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("at", [1, 2])
def test_detectors_that_appeared_went_and_stayed_are_those_of_sets(made, at):
    first, other = made[0][0], made[0][at]
    before, after = _detectors(first), _detectors(other)
    changed = between_runs.changes(first, other, CUT, draws=5).set_index(CONCEPT)
    told = {kind: set(changed.index[changed["change"] == kind]) for kind in between_runs.KINDS}
    assert told == {"appeared": after.keys() - before, "went": before.keys() - after, "stayed": before.keys() & after}
    assert sum(map(bool, told.values())) >= 2
    for key, row in changed.iterrows():
        assert (row["detectors_before"], row["detectors_after"]) == (before.get(key, 0), after.get(key, 0))
        for run, when in ((first, "before"), (other, "after")):
            place = list(map(tuple, run.probe.concepts[CONCEPT].to_numpy())).index(key)
            iou = dissection.dissection_iou(run.measured.layer, run.probe)[:, place]
            assert row[f"iou_{when}"] == iou.max() == iou[row[f"filter_{when}"]]


def test_detectors_of_a_draw_are_those_on_its_images(made):
    run, draws = made[0][0], 6
    found = between_runs.detected_draws(run, CUT, seed=3, draws=draws)
    every = family(run.measured.layer, run.probe)
    parts = held_out.group_counts(every)
    times = np.random.default_rng(3).multinomial(held_out.GROUPS, np.full(held_out.GROUPS, 1 / held_out.GROUPS), draws)
    for draw in range(draws):
        sums = [sum(n * part[g] for g, n in enumerate(times[draw])) for part in parts]
        iou = iou_of_counts(*sums)
        best = {int(np.argmax(row)) for row in iou if row.max() > CUT}
        assert set(np.flatnonzero(found.iloc[draw])) == best
    whole = iou_of_counts(*(part.sum(0) for part in parts))
    named = set(every.candidates["name"].iloc[whole.argmax(1)[whole.max(1) > CUT]])
    assert named == {name for name, _ in _detectors(run)}


@pytest.mark.parametrize("at", [1, 2])
def test_gains_are_differences_of_scores_and_their_intervals_those_of_drawn_images(made, at):
    first, other = made[0][0], made[0][at]
    found = between_runs.gains(first, other, draws=20)
    rows = found.query("task == 'segmentation' and method == 'combination'").set_index(CONCEPT)
    assert len(rows) > 3 and rows["difference"].is_monotonic_decreasing
    same = first.probe.fingerprint == other.probe.fingerprint
    drawn = {}
    for run, when, seed in ((first, "before", 0), (other, "after", 0 if same else 1)):
        aligned = run.measured.alignments[1]
        scores = aligned.scores.query("split == 'val'").set_index(CONCEPT)["set_iou"]
        assert rows[when].to_dict() == scores.loc[rows.index].to_dict()
        drawn[when] = _drawn(run, aligned.pairs.query("split == 'val'"), seed, rows.index)
    gap = drawn["after"] - drawn["before"]
    np.testing.assert_allclose(rows[["low", "high"]].T, gap.quantile([0.025, 0.975]), atol=1e-12)
    means = between_runs.mean_gains(first, other, draws=20).query("task == 'segmentation' and method == 'combination'")
    assert means["difference"].item() == pytest.approx(rows["difference"].mean())
    assert means[["low", "high"]].to_numpy()[0] == pytest.approx(gap.mean(axis=1).quantile([0.025, 0.975]).to_numpy())
    assert means["gained"].item() == (rows["low"] > 0).sum() and means["lost"].item() == (rows["high"] < 0).sum()


def _drawn(run, pairs, seed, index):
    """Set IoU of each concept, draw by draw, from the images that are drawn."""
    val, rng = np.flatnonzero(run.probe.split == "val"), np.random.default_rng(seed)
    times = rng.multinomial(len(val), np.full(len(val), 1 / len(val)), 20)
    numbers = {tuple(key): number for number, *key in run.probe.concepts[CONCEPT].itertuples()}
    values = pd.DataFrame(index=range(20), columns=index, dtype=float)
    for key in index:
        own = pairs[pairs["concept"] == numbers[key]]
        for draw in range(20):
            n = times[draw][np.searchsorted(val, own["image"])]
            inside = (n * own["intersection"]).sum()
            outside = (n * (own["predicted"] + own["annotated"] - own["intersection"])).sum()
            values.loc[draw, key] = inside / outside if outside else np.nan
    return values


def test_a_run_against_itself_changes_nothing_and_is_at_no_distance(made):
    run = made[0][0]
    changed = between_runs.changes(run, run, CUT, draws=10)
    assert set(changed["change"]) == {"stayed"}
    gained = between_runs.gains(run, run, draws=10)
    assert len(gained) and (gained[["difference", "low", "high"]] == 0).all(axis=None)
    apart = between_runs.distances(run, run, draws=10)
    assert list(apart["task"]) == ["segmentation", "classification"]
    np.testing.assert_allclose(apart[["typical", "typical_high"]], 0, atol=1e-12)
    np.testing.assert_allclose(apart[["correlation", "correlation_low"]], 1)


def test_the_interval_of_a_distance_is_over_concepts_that_are_not_paired_with_themselves():
    rng = np.random.default_rng(0)
    one, other = (pd.DataFrame(each / np.linalg.norm(each, axis=1)[:, None]) for each in rng.normal(size=(2, 9, 4)))
    found, drawn, typical, alike = rsa.intervals(one, other, seed=5, draws=30), np.random.default_rng(5), [], []
    for _ in range(30):
        chosen = drawn.integers(0, 9, 9)
        pairs = [(i, j) for i in chosen for j in chosen if i != j]
        a, b = (np.array([space.loc[i] @ space.loc[j] for i, j in pairs]) for space in (one, other))
        typical.append(np.sqrt(((a - b) ** 2).mean()))
        alike.append(np.corrcoef(a, b)[0, 1])
    for name, values in (("typical", typical), ("correlation", alike)):
        low, high = np.quantile(values, [0.025, 0.975])
        assert (found[f"{name}_low"], found[f"{name}_high"]) == pytest.approx((low, high))


def test_labels_say_what_tells_the_runs_apart(made):
    _, rows, probe, options = made
    plain = [{key: value for key, value in row.items() if key != "label"} for row in rows]
    labels = [run.label for run in runs.read(plain, probe, **options)]
    name = labels[0].split()[0]
    assert labels == [f"{name} 1, on {probe.name}", f"{name} 3, on {probe.name}", f"{name} 1, on other"]


@pytest.mark.parametrize(("keep", "words"), [([0], "1 given"), ([0, 0], "'fine' is given twice")])
def test_too_few_runs_and_equal_ones_are_named(made, keep, words):
    _, rows, probe, options = made
    with pytest.raises(BadInput, match=words):
        runs.read([rows[at] for at in keep], probe, **options)


def test_the_page_has_the_tables_of_every_pair(made, tmp_path):
    found = made[0]
    text = compare_page.write(tmp_path / "page.html", found, iou_threshold=CUT, draws=10).read_text("utf-8")
    told = json.loads(re.search(r'id="contents">(.*?)</script>', text, re.DOTALL)[1])
    assert [run["label"] for run in told["runs"]] == ["fine", "coarse", "other"] and len(told["pairs"]) == 2
    names = list(zip(told["concepts"]["name"], told["concepts"]["category"], strict=True))
    for other, pair in zip(found[1:], told["pairs"], strict=True):
        changed = between_runs.changes(found[0], other, CUT, draws=10)
        assert [names[row["at"]] for row in pair["changes"]] == list(
            changed[CONCEPT].itertuples(index=False, name=None)
        )
        assert [row["again"] for row in pair["changes"]] == pytest.approx(changed["again"].tolist())
        rows = between_runs.gains(found[0], other, draws=10).to_dict("records")
        assert sum(map(len, pair["gains"].values())) == len(rows) > 10
        for row in rows:
            at = names.index((row["name"], row["category"]))
            kept = pair["gains"][f"{row['task']}, {row['method']}"][str(at)]
            known = [row[name] for name in ("before", "after", "difference", "low", "high")]
            assert kept == [pytest.approx(value, rel=5e-3, abs=1e-9) if value == value else None for value in known]


def test_a_run_on_the_command_line_has_its_own_probe_set_and_seed(tmp_path):
    (row,) = networks_in("compare", "{network: small-vgg, layer: conv4_3, seed: 3, probe: world-800}")
    assert row == {"network": "small-vgg", "layer": "conv4_3", "seed": 3, "probe": "world-800"}
    with pytest.raises(BadInput, match="'sead', which is none of"):
        networks_in("compare", "{network: small-vgg, layer: conv4_3, sead: 3}")
    with pytest.raises(BadInput, match="'probe', which is none of"):
        check_value("NETWORKS", [row], list)


def test_the_other_set_was_read_by_its_own_numbers(made):
    probe = load_probe(str(made[1][2]["probe"]))
    same = probe.concepts["name"].to_dict().items() & made[2].concepts["name"].to_dict().items()
    assert not same
