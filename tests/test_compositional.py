"""Formulas, and the searches for them, against slow searches that look at every pixel."""

from itertools import product

import measured as small
import numpy as np
import pandas as pd
import pytest
import torch
from handmade import NUMBERS, build
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from torch import nn

from n2vlib.activations.layer import read_layers
from n2vlib.compositional import beam, exact, explain, trust
from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.atoms import _grouped as grouped
from n2vlib.compositional.formula import OPERATORS, Formula, concept, join, parse
from n2vlib.compositional.formula import joined as joined_masks
from n2vlib.errors import BadInput
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.probe.broden import write
from n2vlib.probe.labels import LabelMaps
from n2vlib.store import Store

TINY = 1e-10
NAMES = st.sampled_from(["a", "b", "c", "sea water", "x (old)", 'say "OR"', "NOT", "\\"])
FORMULAS = st.recursive(
    NAMES.map(concept),
    lambda parts: st.builds(join, parts, st.sampled_from(OPERATORS), parts),
    max_leaves=6,
)


def masks_of(text: str, masks: dict) -> np.ndarray:
    """A formula's mask by Python's own operators."""
    words = text.replace("AND NOT", "& ~").replace("AND", "&").replace("OR", "|")
    return eval(words, {}, masks)


@given(FORMULAS)
@settings(max_examples=150, deadline=None)
def test_what_is_printed_is_read_again_and_equal(formula):
    again = parse(str(formula))
    assert again == formula and hash(again) == hash(formula)
    assert str(again) == str(formula) and again.length == formula.length


@given(FORMULAS, FORMULAS)
@settings(max_examples=150, deadline=None)
def test_equal_formulas_hold_for_the_same_values_and_simpler_ones_too(one, other):
    names = sorted({*one.concepts, *other.concepts})
    rows = np.array(list(product([False, True], repeat=len(names))))
    values = dict(zip(names, rows.T, strict=True))
    if one == other:
        assert (one.truth(values) == other.truth(values)).all()
    short = one.simplified()
    assert short.length <= one.length and (short.truth(values) == one.truth(values)).all()
    for operator in ("OR", "AND"):
        assert join(one, operator, other) == join(other, operator, one)


@pytest.mark.parametrize(
    ("text", "length", "released"),
    [("(water OR river) AND NOT blue", 3, 4), ("a", 1, 1), ("a AND b AND c", 3, 3), ("a AND NOT (b AND NOT c)", 3, 5)],
)
def test_lengths_count_concepts_and_as_released_also_nots(text, length, released):
    assert (parse(text).length, parse(text).released_length) == (length, released)
    rng = np.random.default_rng(0)
    masks = {name: rng.random((4, 5)) > 0.5 for name in ("a", "b", "c", "water", "river", "blue")}
    assert (parse(text).truth(masks) == masks_of(text, masks)).all()


@pytest.mark.parametrize(
    ("text", "shorter"),
    [("a OR a", "a"), ("a OR (a AND b)", "a"), ("(a OR b) AND a", "a"), ("(a AND NOT b) OR (a AND b)", "a")],
)
def test_a_formula_is_simplified_to_what_it_needs(text, shorter):
    assert parse(text).simplified() == parse(shorter)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a OR b AND c", "AND and OR without brackets"),
        ("a OR", "ends where a concept should follow"),
        ("(a", "bracket is not closed"),
        ("a) OR b", "cannot stand there"),
        ("NOT a", "stands where a concept should be"),
        ("a NOT b", "write A AND NOT B"),
        ('"a', "no second one"),
        ("", "ends where"),
        ("(" * 5000 + "a" + ")" * 5000, "too long"),
    ],
)
def test_a_text_that_is_no_formula_is_one_line(text, message):
    with pytest.raises(BadInput, match=message):
        parse(text)


def test_a_missing_concept_is_named():
    with pytest.raises(BadInput, match=r"no concept 'rivr'.*river"):
        parse("rivr").truth({"river": np.ones(2, bool)})


# ---- searches ----


def random_counts(seed: int, units: int = 6, concepts: int = 5, atoms: int = 40) -> tuple[Counts, np.ndarray]:
    """Counts of random masks; and the pixels' concepts, bool (concept, pixel), with the masks, bool (unit, pixel)."""
    rng = np.random.default_rng(seed)
    members = rng.random((concepts, atoms)) < 0.3
    atom_of = rng.integers(0, atoms, 600)
    pixels = members[:, atom_of]
    planted = np.stack([pixels[0] | pixels[1], pixels[2] & ~pixels[3], *(rng.random((units - 2, 600)) < 0.2)])
    fires = planted & (rng.random(planted.shape) < 0.8) | (rng.random(planted.shape) < 0.03)
    fires[-1] = False  # a dead unit
    fired = np.stack([np.bincount(atom_of, row, atoms) for row in fires]).astype(np.int64)
    table = pd.DataFrame({"name": [f"c{i}" for i in range(concepts)], "category": "object"})
    counts = Counts(fired, np.bincount(atom_of, minlength=atoms), csr_array(members), table)
    return counts, (pixels, fires)


def slow_iou(mask: np.ndarray, other: np.ndarray, tiny: float = 0.0) -> float:
    shared = int((mask & other).sum())
    union = int(mask.sum()) + int(other.sum()) - shared
    return shared / (union + tiny) if union else 0.0


def released_search(fires: np.ndarray, pixels: np.ndarray, beside: np.ndarray, length: int, size: int):
    """The program of the authors on one unit's mask, in plain Python: a dict of formulas in order of insertion, of
    which the best are kept after each round by a stable sort; equal formulas are different keys."""
    first = {}
    for c, mask in enumerate(pixels):
        if beside[c]:
            first[concept(f"c{c}"), len(first)] = (mask, slow_iou(fires, mask, TINY))
    kept = sorted(first.items(), key=lambda each: -each[1][1])[:size]
    kept = [each for each in kept if each[1][1] > 0]
    best = [kept[0] if kept else None]
    for _ in range(length - 1):
        table = dict(kept)
        for (formula, _), (mask, _) in kept:
            for c, other in enumerate(pixels):
                for operator, joined in (("OR", mask | other), ("AND", mask & other), ("AND NOT", mask & ~other)):
                    key = join(formula, operator, concept(f"c{c}")), len(table)
                    table[key] = (joined, slow_iou(fires, joined, TINY))
        kept = sorted(table.items(), key=lambda each: -each[1][1])[:size]
        best.append(kept[0] if kept else None)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_released_search_is_that_of_a_slow_port(seed):
    counts, (pixels, fires) = random_counts(seed)
    beside = np.random.default_rng(seed).random((len(fires), len(pixels))) < 0.8
    counts = Counts(counts.fired, counts.sizes, counts.members, counts.concepts, beside)
    found = beam.search(counts, 4, beam=3, released=True)
    for unit, rows in found.groupby("unit"):
        slow = released_search(fires[unit], pixels, beside[unit], 4, 3)
        for (_, row), best in zip(rows.iterrows(), slow, strict=True):
            if best is None:
                assert row["formula"] is None and row["iou"] == 0
                continue
            (formula, _), (_, iou) = best
            assert str(row["formula"]) == str(formula) and row["iou"] == iou and row["length"] == formula.length


def all_masks(pixels: np.ndarray, most: int) -> dict[bytes, tuple[np.ndarray, int]]:
    """{mask: (mask, fewest concepts)} of every tree of up to `most` concepts, by brute force."""
    by_length = {1: {mask.tobytes(): mask for mask in pixels}}
    for length in range(2, most + 1):
        found = {}
        for left in range(1, length):
            for one, other in product(by_length[left].values(), by_length[length - left].values()):
                for mask in (one | other, one & other, one & ~other):
                    found[mask.tobytes()] = mask
        by_length[length] = found
    return {key: (mask, length) for length in range(most, 0, -1) for key, mask in by_length[length].items()}


@pytest.mark.parametrize("seed", range(4))
def test_the_exact_search_is_brute_force_over_all_trees(seed):
    counts, (pixels, fires) = random_counts(seed)
    masks = all_masks(pixels, 3)
    found = exact.search(counts)
    for unit, row in found.iterrows():
        best = max(slow_iou(fires[unit], mask) for mask, _ in masks.values())
        fewest = min(n for mask, n in masks.values() if slow_iou(fires[unit], mask) == best)
        assert row["iou"] == pytest.approx(best, abs=1e-12)
        if best:
            values = {f"c{c}": mask for c, mask in enumerate(pixels)}
            assert slow_iou(fires[unit], row["formula"].truth(values)) == pytest.approx(best, abs=1e-12)
            assert row["length"] == row["formula"].length == fewest
        else:
            assert row["formula"] is None and row["length"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_our_beam_holds_no_mask_twice_and_a_wide_one_finds_the_best_that_it_can_reach(seed):
    counts, (pixels, fires) = random_counts(seed)
    values = {f"c{c}": mask for c, mask in enumerate(pixels)}
    for row in beam.search(counts, 3, beam=10_000).itertuples():
        if row.formula is None:
            assert not fires[row.unit].any() or row.iou == 0
            continue
        assert row.iou == pytest.approx(slow_iou(fires[row.unit], row.formula.truth(values)), abs=1e-12)
    reachable = {1: list(pixels)}
    for length in (2, 3):
        joined = [(one | other, one & other, one & ~other) for one, other in product(reachable[length - 1], pixels)]
        reachable[length] = [mask for three in joined for mask in three]
    every = [mask for masks in reachable.values() for mask in masks]
    wide = beam.search(counts, 3, beam=10_000).query("allowed == 3").set_index("unit")["iou"]
    for unit, mask in enumerate(fires):
        assert wide[unit] == pytest.approx(max(slow_iou(mask, other) for other in every), abs=1e-12)
    found = beam.rounds(counts, 0, 2, 8)
    held = []
    for before, operator, c in found.made[found.kept].tolist():
        first = found.made[before, 2] if before >= 0 else c
        held.append(joined_masks(OPERATORS[operator], pixels[first], pixels[c]) if before >= 0 else pixels[c])
        assert slow_iou(fires[0], held[-1]) == found.iou[found.kept[len(held) - 1]]
    assert len(held) == len({mask.tobytes() for mask in held}) == 8


def test_formulas_that_were_planted_are_found():
    rng = np.random.default_rng(3)
    pixels = rng.random((6, 3000)) < 0.2
    marks, atom_of = np.unique(pixels, axis=1, return_inverse=True)
    said = ["c0 OR c4", "c1 AND NOT c2", "(c0 OR c3) AND NOT c5", "c4 AND NOT (c1 AND NOT c2)"]
    values = {f"c{c}": mask for c, mask in enumerate(pixels)}
    fires = [parse(text).truth(values) for text in said]
    fired = np.stack([np.bincount(atom_of.ravel(), mask, marks.shape[1]) for mask in fires]).astype(np.int64)
    table = pd.DataFrame({"name": list(values), "category": "object"})
    counts = Counts(fired, np.bincount(atom_of.ravel()), csr_array(marks), table)
    assert exact.search(counts)["formula"].tolist() == [parse(text) for text in said]
    by_beam = beam.search(counts, 3).query("allowed == 3")["formula"].tolist()
    assert by_beam[:3] == [parse(text) for text in said[:3]] and by_beam[3] != parse(said[3])


def test_a_mask_as_large_as_what_it_leaves_out_is_found():
    members = np.array([[1, 1, 0], [0, 1, 1]], bool)  # a without b has as many pixels as b
    table = pd.DataFrame({"name": ["a", "b"], "category": "object"})
    counts = Counts(np.array([[30, 0, 0]]), np.array([30, 10, 20]), csr_array(members), table)
    found = beam.search(counts, 2).iloc[-1]
    assert found["iou"] == 1 and found["formula"] == parse("a AND NOT b")


def test_bad_options_are_refused():
    counts, _ = random_counts(0)
    with pytest.raises(BadInput, match="length = 0"):
        beam.search(counts, 0)


# ---- on images ----


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A layer of three filters on the hand-made world, with what was written."""
    folder = tmp_path_factory.mktemp("formulas")
    world = build(folder / "probe", n_images=40)
    convolution = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        convolution.weight[:] = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [0.3, -0.2, 0.1]])[:, :, None, None]
        convolution.bias[:] = 0
    module = nn.Sequential(nn.AvgPool2d(4), convolution, nn.ReLU())
    network = Network("colors", module, Preprocessing((48, 48), (0.0,) * 3, (1.0,) * 3, 1), "set by hand")
    probe = load_probe(str(folder / "probe"))
    layer = read_layers(network, ["2"], probe, tau=0.2, device="cpu", store=Store(str(folder / "store")))["2"]
    return world, probe, layer


def mask_in(layer, image: int, unit: int, size: tuple[int, int]) -> np.ndarray:
    """S(A_k) > T_k with half-pixel bilinear interpolation by torch, from the stored activations."""
    from n2vlib.analysis.top_images import stored_maps

    small = torch.from_numpy(np.array(stored_maps(layer, unit, np.array([image])))).float()[None]
    small = torch.where(torch.isfinite(small), small, torch.tensor(-1e9))
    return (torch.nn.functional.interpolate(small, size, mode="bilinear")[0, 0] > layer.thresholds[unit]).numpy()


def test_atoms_are_the_sets_of_concepts_of_the_pixels(measured):
    world, probe, layer = measured
    found = explain.Filters(layer, probe, left_out=("material",))
    atoms, names = found.atoms, found.atoms.concepts["name"].tolist()
    members = atoms.members.toarray()
    material = {NUMBERS["rim"], NUMBERS["gloss"]}
    for image, name in enumerate(probe.images):
        shown = members[:, atoms.of[image]]
        for number, mask in world.masks[name].items():
            text = next(each for each, n in NUMBERS.items() if n == number)
            if number not in material:
                assert (shown[names.index(text)] == mask.ravel()).all(), (name, text)
        absent = [row for row, text in enumerate(names) if NUMBERS[text] not in world.masks[name]]
        assert not shown[absent].any()
    assert atoms.sizes().sum() == np.prod(atoms.of.shape)
    areas = found.atoms.members @ atoms.sizes()
    for row, text in enumerate(names):
        if NUMBERS[text] not in material:
            drawn = [masks[NUMBERS[text]] for masks in world.masks.values() if NUMBERS[text] in masks]
            assert areas[row] == np.sum(drawn)


def test_atoms_are_written_image_by_image_in_numbers_that_are_large_enough(tmp_path):
    rng = np.random.default_rng(4)
    n_images, n_maps, n_pixels = 5, 11, 300
    there = rng.random((n_images, n_maps, n_pixels)) < 0.5
    number = 3 + 2 * np.arange(n_maps)  # one map for each concept, and one that labels every other image as a whole
    pairs = [[99] * (image % 2 == 0) + number.tolist() for image in range(n_images)]
    n_pairs = [len(each) for each in pairs]
    labels = LabelMaps(
        maps=np.concatenate([mask * np.arange(1, n_maps + 1)[:, None] for mask in there]).astype(np.uint8),
        map_ptr=n_maps * np.arange(n_images + 1),
        pair_ptr=np.concatenate([[0], np.cumsum(n_pairs)]),
        pair_concept=np.array(sum(pairs, []), np.int32),
        pair_local=np.array([max(0, (c - 1) // 2) if c < 99 else 0 for each in pairs for c in each], np.uint8),
        pair_area=np.zeros(sum(n_pairs), np.int32),
        concepts=np.array([*number, 99], np.int32),
        holder_ptr=np.zeros(0, np.int64),
        holders=np.zeros(0, np.int64),
    )
    assert grouped(labels, tmp_path, np.uint8) is None  # more than 256 sets
    found = grouped(labels, tmp_path, np.uint16)
    of = np.load(tmp_path / "of.npy")
    assert of.shape == (n_images, n_pixels) and of.dtype == np.uint16
    sets = [set() for _ in range(int(found["n_atoms"]))]
    for c, atom in found["members"].T.tolist():
        sets[atom].add(c)
    assert len({frozenset(each) for each in sets}) == len(sets) == of.max() + 1
    for image, pixel in product(range(n_images), range(n_pixels)):
        shown = set(number[there[image, :, pixel]].tolist()) | ({99} if image % 2 == 0 else set())
        assert sets[of[image, pixel]] == shown


def test_counts_are_those_of_every_pixel_also_by_group_and_after_a_permutation(measured):
    world, probe, layer = measured
    found = explain.Filters(layer, probe)
    n = found.atoms.members.shape[1]
    group, shown = np.arange(len(probe)) % 3, np.random.default_rng(1).permutation(len(probe))
    slow, slow_shown, slow_groups = np.zeros((3, n)), np.zeros((3, n)), np.zeros((3, 3, n))
    for image in range(len(probe)):
        for unit in range(3):
            mask = mask_in(layer, image, unit, probe.label_size).ravel()
            here = np.bincount(found.atoms.of[image][mask], minlength=n)
            slow[unit] += here
            slow_groups[group[image], unit] += here
            slow_shown[unit] += np.bincount(found.atoms.of[shown[image]][mask], minlength=n)
    assert (found.counts().fired == slow).all() and slow.sum() > 0
    assert (found.counts(shown).fired == slow_shown).all()
    halves = found.halves(group)
    assert all((half.fired == own).all() for half, own in zip(halves, slow_groups, strict=True))
    assert (sum(half.sizes for half in halves) == found.counts().sizes).all()


def test_the_filters_of_a_layer_get_formulas_whose_masks_have_that_iou(measured):
    world, probe, layer = measured
    table, found = explain.filters(layer, probe, length=3), explain.Filters(layer, probe)
    assert len(table) == 9 and table.groupby("filter")["iou"].apply(lambda each: each.is_monotonic_increasing).all()
    last = table.loc[table["allowed"] == 3].set_index("filter")
    for unit, row in last.iterrows():
        said = parse(row["formula"])
        ours = np.stack([found.mask(said, image) for image in range(len(probe))])
        fires = np.stack([mask_in(layer, image, unit, probe.label_size) for image in range(len(probe))])
        assert row["iou"] == pytest.approx(slow_iou(fires, ours), abs=1e-12)
    assert "red-c" in last.loc[0, "formula"] and "blue-c" in last.loc[1, "formula"]


def test_a_formulas_mask_is_of_the_maps_that_count(measured):
    """The category left out is not read, also where one of its maps shows a concept that counts."""
    world, probe, layer = measured
    found = explain.Filters(layer, probe, left_out=("part",))
    for text in ("rim AND NOT blue-c", "square OR striped"):
        for image, name in enumerate(probe.images):
            drawn = {
                each: world.masks[name].get(number, np.zeros(probe.label_size, bool))
                for each, number in NUMBERS.items()
            }
            if parse(text).concepts[0] != "rim":
                assert (found.mask(parse(text), image) == parse(text).truth(drawn)).all()
            else:
                assert not (found.mask(parse(text), image) & ~parse(text).truth(drawn)).any()
    with pytest.raises(BadInput, match=r"no concept 'squere'.*square"):
        found.mask(parse("squere"), 0)


@pytest.fixture(scope="module")
def pixels(measured):
    """Where filters fire, (unit, image, h, w), and where formulas hold: a function of a formula, (image, h, w)."""
    _, probe, layer = measured
    images, found = range(len(probe)), explain.Filters(layer, probe)
    fires = np.array([[mask_in(layer, i, unit, probe.label_size) for i in images] for unit in range(3)])
    return fires, lambda formula: np.array([found.mask(formula, i) for i in images]), found


def test_formulas_of_one_half_are_scored_on_the_pixels_of_the_other(pixels):
    fires, holds, found = pixels
    n, table, rng = fires.shape[1], trust.held_out(found, 3, splits=2, seed=5), np.random.default_rng(5)
    singles = [concept(name) for name in found.atoms.concepts["name"]]
    for split in range(2):
        half = rng.permutation(n) % 2
        rows = table.loc[table["split"] == split]
        both = [rows.iloc[:9], rows.iloc[9:]]
        for at, (mine, other) in enumerate(zip(both, both[::-1], strict=True)):
            assert mine["again"].tolist() == [a == b for a, b in zip(mine["formula"], other["formula"], strict=True)]
            for row in mine.itertuples():
                here, there = (
                    slow_iou(fires[row.unit][half == of], holds(row.formula)[half == of]) for of in (at, 1 - at)
                )
                assert (row.iou, row.held_out) == (pytest.approx(here), pytest.approx(there))
                if row.allowed == 1:
                    best = max(slow_iou(fires[row.unit][half == at], holds(each)[half == at]) for each in singles)
                    assert row.iou == pytest.approx(best)
    told = trust.formulas(found, 3, splits=2, seed=5)
    longest = table.loc[table["allowed"] == 3].groupby("unit")["held_out"].mean()
    assert told["held_out_iou"].tolist() == pytest.approx(longest.tolist()) and 0 < longest.min() < longest.max() < 1
    for unit, row in told.iterrows():
        assert row["formula_iou"] == pytest.approx(slow_iou(fires[unit], holds(parse(row["formula"]))))
        assert row["one_iou"] == pytest.approx(max(slow_iou(fires[unit], holds(each)) for each in singles))


def test_formulas_by_chance_are_those_of_other_images_annotations(pixels):
    fires, holds, found = pixels
    table = trust.by_chance(found, 2, permutations=3, seed=2)
    for row in table.itertuples():
        shown = np.random.default_rng([2, row.permutation]).permutation(fires.shape[1])
        assert row.iou == pytest.approx(slow_iou(fires[row.unit], holds(row.formula)[shown]))
    real = beam.search(found.counts(), 2).groupby("unit")["iou"].max()
    assert (table.groupby("unit")["iou"].max()[:2] < real[:2]).all()


def test_both_tests_are_searched_once_and_read_from_the_store_again(pixels, monkeypatch):
    found = pixels[2]
    first = trust.held_out(found, 2, splits=1), trust.by_chance(found, 2, permutations=1)
    monkeypatch.setattr(beam, "search", None)
    again = trust.held_out(found, 2, splits=1), trust.by_chance(found, 2, permutations=1)
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_one_image_has_no_other_half(tmp_path):
    write(tmp_path / "probe", small.scenes(1), small.NAMES)
    probe, store = load_probe(str(tmp_path / "probe")), Store(str(tmp_path / "store"))
    layer = read_layers(small.network(), ["3"], probe, tau=0.2, device="cpu", store=store)["3"]
    found = explain.Filters(layer, probe)
    with pytest.raises(BadInput, match="two images"):
        trust.held_out(found, 2)
    assert trust.formulas(found)["held_out_iou"].isna().all()


def test_formula_is_a_value():
    assert {parse("a OR b"), parse("b OR a")} == {Formula(operator="OR", left=concept("a"), right=concept("b"))}
