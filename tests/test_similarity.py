"""How near the parts of an OR are, and units made from a formula: against slow loops and answers known beforehand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from scipy.sparse import csr_array
from test_compositional import FORMULAS, random_counts

from n2vlib.compositional import beam, exact, planted, similarity
from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import Formula, parse
from n2vlib.errors import BadInput
from n2vlib.spaces import drawn

# --- the tree


def slow_wu_palmer(one: str, other: str) -> float:
    """By walking up the tree, one step at a time."""
    parent, line = drawn.tree(), [one]
    while line[-1] in parent:
        line.append(parent[line[-1]])
    step, node = 0, other
    while node not in line:
        step, node = step + 1, parent[node]
    depth = len(line) - line.index(node)
    return 2 * depth / (len(line) + depth + step)


def test_similarity_in_our_tree_is_that_of_a_walk_upwards():
    names = sorted(drawn.tree())
    found = similarity.wu_palmer(drawn.hypernyms(pd.DataFrame({"name": names}))).to_numpy()
    slow = np.array([[slow_wu_palmer(one, other) for other in names] for one in names])
    np.testing.assert_allclose(found, slow, rtol=1e-12)
    assert (np.diag(found) == 1).all() and len(names) > 100


def test_a_concept_with_two_parents_shares_the_nodes_above_both():
    above = {"dog": "dog pet animal root", "pet": "pet root", "wolf": "wolf animal root", "no": ""}
    nodes = ["dog", "wolf", "pet", "animal", "root"]
    held = pd.DataFrame([[node in line.split() for node in nodes] for line in above.values()], index=list(above))
    found = similarity.wu_palmer(held.astype(float))
    assert found.loc["dog", "pet"] == pytest.approx(2 * 2 / (4 + 2))
    assert found.loc["dog", "wolf"] == pytest.approx(2 * 2 / (4 + 3))
    assert (found.loc["no"] == 0).all()


class Probe:
    """The part of a probe set that the tree reads."""

    name = "mine"

    def __init__(self, names: list[str]):
        self.concepts = pd.DataFrame({"name": names}, index=range(1, len(names) + 1))


def test_a_probe_set_that_the_tree_does_not_know_is_refused_in_one_line():
    with pytest.raises(
        BadInput, match=r"probe set mine: our tree of hypernyms has 1 of its 2 concepts.*WORDNET"
    ) as error:
        similarity.hypernyms(Probe(["dog", "liver"]))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_folder_without_wordnet_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInput, match="holds no WordNet"):
        similarity.hypernyms(Probe(["dog"]), str(tmp_path))  # type: ignore[arg-type]


def test_similarity_goes_by_the_names_that_formulas_use():
    probe = Probe([*sorted(drawn.tree())[:12], "liver"])
    concepts = probe.concepts.assign(name=[f"{name} {k}" for k, name in probe.concepts["name"].items()]).drop(index=3)
    found = similarity.of_concepts(similarity.hypernyms(probe), concepts)  # type: ignore[arg-type]
    assert list(found.index) == list(found.columns) == list(concepts["name"])[:-1]
    one, other = probe.concepts["name"][1], probe.concepts["name"][4]
    assert found.loc[f"{one} 1", f"{other} 4"] == pytest.approx(slow_wu_palmer(str(one), str(other)))


# --- the parts of an OR


def leaves(formula: Formula, path: tuple[tuple[Formula, int], ...] = ()):
    """Every concept with the nodes above it and the side on which it stands there."""
    if formula.concept:
        yield formula.concept, path
    for side, part in enumerate(formula.parts):
        yield from leaves(part, (*path, (formula, side)))


def negations(path) -> int:
    return sum(node.operator == "AND NOT" and side == 1 for node, side in path)


@given(FORMULAS)
@settings(max_examples=300, deadline=None)
def test_alternatives_are_the_pairs_whose_lowest_common_node_is_an_or(formula):
    slow = set()
    for (one, left), (other, right) in combinations(leaves(formula), 2):
        common = next(n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a[1] != b[1])
        asks_for_either = (left[common][0].operator == "OR") == (negations(left[:common]) % 2 == 0)
        if asks_for_either and negations(left) % 2 == negations(right) % 2 == 0 and one != other:
            slow.add((min(one, other), max(one, other)))
    assert similarity.alternatives(formula) == sorted(slow)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a", []),
        ("a AND b", []),
        ("(b OR a) AND NOT c", [("a", "b")]),
        ("(a AND NOT b) OR c", [("a", "c")]),
        ("a OR b OR c", [("a", "b"), ("a", "c"), ("b", "c")]),
        ("a AND NOT (b OR c)", []),
        ("a AND NOT ((b AND NOT c) AND NOT d)", [("c", "d")]),
        ("a OR (a AND b)", [("a", "b")]),
    ],
)
def test_alternatives_of_formulas_read_by_hand(text, pairs):
    assert similarity.alternatives(parse(text)) == pairs


def test_a_formula_is_kin_by_the_mean_of_the_pairs_that_the_tree_knows():
    similar = pd.DataFrame([[1, 0.8, 0.1], [0.8, 1, np.nan], [0.1, np.nan, 1]], index=list("abc"), columns=list("abc"))
    formulas = [parse(text) for text in ("a OR b", "a OR c OR x", "a OR b OR c", "b OR c", "a AND b")]
    found = similarity.of_formulas(pd.DataFrame({"formula": [*formulas, None], "unit": range(6)}), similar)
    assert found["unit"].tolist() == list(range(6))
    assert found["pairs"].tolist() == [1, 3, 3, 1, 0, 0] and found["judged"].tolist() == [1, 1, 2, 0, 0, 0]
    np.testing.assert_allclose(found["similarity"], [0.8, 0.1, 0.45, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(found["kin"], [1, 0, 0, np.nan, np.nan, np.nan])


# --- planted units


def alike(counts: Counts, seed: int = 0) -> pd.DataFrame:
    """Random similarities of the concepts, the last one not in the tree."""
    values = np.random.default_rng(seed).random((len(counts.names), len(counts.names)))
    table = pd.DataFrame((values + values.T) / 2, index=counts.names, columns=counts.names)
    return table.iloc[:-1, :-1]


@pytest.mark.parametrize("seed", range(3))
def test_the_formulas_to_plant_are_those_of_a_slow_loop(seed):
    counts, (pixels, _) = random_counts(seed)
    similar, mask = alike(counts), dict(zip(counts.names, pixels, strict=True))
    near = similar.to_dict()
    slow: dict[str, set[Formula]] = {kind: set() for kind in planted.KINDS}
    for one, a in mask.items():
        slow[planted.ONE] |= {parse(one)} if a.any() else set()
        for other, b in mask.items():
            if one == other:
                continue
            if 0.2 * a.sum() <= (a & b).sum() <= 0.8 * a.sum():
                slow[planted.WITHOUT].add(parse(f"{one} AND NOT {other}"))
            if min((a & ~b).sum(), (b & ~a).sum()) >= 0.2 * (a | b).sum() and {one, other} <= set(near):
                kind = planted.KINDRED if near[one][other] > similarity.KIN else planted.STRANGERS
                slow[kind].add(parse(f"{one} OR {other}"))
    everything = planted.formulas(counts, similar, 10_000, 0)
    assert {kind: set(rows["formula"]) for kind, rows in everything.groupby("kind")} == {
        kind: said for kind, said in slow.items() if said
    }
    assert not everything.duplicated().any()
    some = planted.formulas(counts, similar, 2, 1)
    assert int(some["kind"].value_counts().max()) <= 2 and set(some["formula"]) <= set(everything["formula"])
    pd.testing.assert_frame_equal(some, planted.formulas(counts, similar, 2, 1))


@pytest.mark.parametrize("moved", [0.0, 0.25, 0.6])
def test_moved_pixels_leave_the_area_and_set_the_iou(moved):
    counts, _ = random_counts(1)
    said = [parse("c0 OR c1"), parse("c2"), parse("c3 AND NOT c4")]
    units = planted.units(counts, said, moved, seed=3)
    for fired, formula in zip(units.fired, said, strict=True):
        holds = counts.truth(formula)
        area = counts.sizes[holds].sum()
        gone = round(moved * area)
        assert fired.sum() == area and fired[holds].sum() == area - gone
        assert (fired >= 0).all() and (fired <= counts.sizes).all()
        assert units.iou(0, said[0]) == pytest.approx(slow_share(units.fired[0], counts, said[0]))
    assert (planted.units(counts, said, moved, seed=3).fired == units.fired).all()
    assert not moved or (planted.units(counts, said, moved, seed=4).fired != units.fired).any()


def slow_share(fired: np.ndarray, counts: Counts, formula: Formula) -> float:
    """(1 - moved) / (1 + moved), with the share that was really moved."""
    area = fired.sum()
    gone = area - fired[counts.truth(formula)].sum()
    return (area - gone) / (area + gone)


def test_moved_by_atoms_an_atom_fires_whole_or_not_at_all():
    counts, _ = random_counts(2, atoms=200)
    said = [parse("c0 OR c1"), parse("c2")]
    units = planted.units(counts, said, 0.4, by="atom", seed=0)
    for fired, formula in zip(units.fired, said, strict=True):
        holds = counts.truth(formula)
        assert ((fired == 0) | (fired == counts.sizes)).all()
        assert fired[holds].sum() / counts.sizes[holds].sum() == pytest.approx(0.6, abs=0.05)
        assert fired.sum() == pytest.approx(counts.sizes[holds].sum(), rel=0.1)


def test_noise_that_is_no_share_or_of_no_kind_is_refused():
    counts, _ = random_counts(0)
    for moved, by in ((1.5, "pixel"), (0.1, "image")):
        with pytest.raises(BadInput, match="a share from 0 to 1, by pixel or atom"):
            planted.units(counts, [parse("c0")], moved, by=by)


@pytest.mark.parametrize("seed", range(3))
def test_without_noise_every_planted_formula_is_found_again(seed):
    counts, _ = random_counts(seed, concepts=8, atoms=60)
    drawn_here = planted.formulas(counts, alike(counts), 10_000, 0)
    said = list(drawn_here["formula"])
    units = planted.units(counts, said, 0.0)
    for formula, found, iou in zip(said, *(exact.search(units)[column] for column in ("formula", "iou")), strict=True):
        assert iou == 1 and (counts.truth(found) == counts.truth(formula))[counts.sizes > 0].all()
    found = beam.search(units, 3, beam=8)  # it keeps all single concepts
    by_beam = list(found["formula"][found["allowed"] == 3])
    assert planted.found_again(counts, said, by_beam).all()


def test_found_again_goes_by_what_holds_and_not_by_how_it_is_written():
    members = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], bool)
    table = pd.DataFrame({"name": ["a", "b", "c"], "category": "object"})
    counts = Counts(np.zeros((1, 4), np.int64), np.arange(1, 5), csr_array(members), table)
    said = [parse("a"), parse("a"), parse("b OR c"), parse("a"), parse("b")]
    again = planted.found_again(
        counts, said, [parse("b OR c"), parse("b"), parse("a AND NOT (b AND c)"), None, parse("b")]
    )
    assert again.tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("by", planted.BY)
def test_what_is_recovered_is_said_of_each_unit(by):
    counts, _ = random_counts(4, concepts=6, atoms=60)
    truth = planted.formulas(counts, alike(counts), 5, 0)
    table = planted.recovered(counts, truth, 0.3, by=by, beam=6, seed=2)
    units = planted.units(counts, list(truth["formula"]), 0.3, by=by, seed=2)
    found = beam.search(units, 3, beam=6)
    for unit, row in enumerate(table.to_dict("records")):
        said = {n: found["formula"][(found["unit"] == unit) & (found["allowed"] == n)].item() for n in (1, 2, 3)}
        holds = {n: counts.truth(each)[counts.sizes > 0] for n, each in said.items()}
        planted_here = counts.truth(row["formula"])[counts.sizes > 0]
        same = {n: bool(np.array_equal(each, planted_here)) for n, each in holds.items()}
        assert (row["found"], row["exactly"], row["own_length"]) == (said[3], same[3], same[row["formula"].length])
        assert row["there"] == (same[3] or all(name in str(said[3]) for name in row["formula"].concepts))
        assert row["found_iou"] == pytest.approx(units.iou(unit, said[3]))
        assert row["planted_iou"] == pytest.approx(units.iou(unit, row["formula"]))
    assert list(table["kind"]) == list(truth["kind"]) and set(table["by"]) == {by}
    assert set(table["exactly"]) == {True, False}
