"""Do answers move as formulas say? Against slow loops over every edit, and answers planted by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from n2vlib.compositional import edits, pasted
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.world import scene
from n2vlib.world.edited import CENTRED, Drawing

CLASSES = ["a", "b", "c"]
SHOWN = Preprocessing((16, 16), (0.5,) * 3, (0.25,) * 3, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("car", {"car": 1}),
        ("car OR bus", {"car": 1, "bus": 1}),
        ("car AND NOT red", {"car": 1, "red": -1}),
        ("(water OR river) AND NOT blue", {"water": 1, "river": 1, "blue": -1}),
        ("(car AND NOT bus) OR bus", {"car": 1, "bus": 1}),  # which is car OR bus
        ("(car AND NOT bus) OR (bus AND NOT car)", {}),
        ("car AND NOT car", {}),
        ("car OR (bus AND NOT bus)", {"car": 1}),
    ],
)
def test_a_concept_moves_a_formula_in_the_direction_its_truth_says(text, found):
    assert edits.signs(parse(text)) == found


def test_each_class_gets_the_strongest_filter_whose_formula_names_a_thing():
    effects = np.array([[3.0, -1, 2], [2, -2, 1], [1, -3, 4]])
    formulas = {0: parse("sky OR sea"), 1: parse("wheel AND NOT tree"), 2: parse("(car OR wheel) AND NOT sky")}
    carriers = {"car": "car", "wheel": "truck", "tree": "tree"}
    found = edits.pairs(effects, CLASSES, formulas, carriers)
    assert found.loc[:, ["class", "filter", "rank", "thing", "direction"]].to_numpy().tolist() == [
        ["a", 1, 2, "tree", -1], ["a", 1, 2, "truck", 1],
        ["c", 2, 1, "car", 1], ["c", 2, 1, "truck", 1],
    ]  # fmt: skip
    assert found["effect"].tolist() == [2, 2, 4, 4]  # no filter supports b


def test_a_thing_that_a_formula_names_both_ways_is_left_out():
    carriers = {"car": "car", "wheel": "car"}
    assert edits.pairs(np.ones((1, 1)), ["a"], {0: parse("car AND NOT wheel")}, carriers).empty


def answers(seed: int, n: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).dirichlet(np.ones(3), n), columns=CLASSES)


@pytest.fixture
def edited():
    """Five pictures with forty edits, of four things; and which thing should move which class."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"original": rng.integers(0, 5, 40), "thing": rng.choice(["p", "q", "r", "s"], 40)})
    table["class_from"] = [CLASSES[i % 3] for i in table["original"]]
    rows = [("a", "p", 1), ("a", "q", 1), ("b", "r", 1), ("b", "s", -1)]
    return table, pd.DataFrame(rows, columns=["class", "thing", "direction"])


def slow(pairs, table, before, after):
    """{(edit, class, direction): (named, moved, switched)}, one edit after another."""
    found = {}
    for name, direction in sorted(set(zip(pairs["class"], pairs["direction"], strict=True))):
        things = {t for c, t, d in pairs.to_numpy().tolist() if c == name and d == direction}
        for edit, row in table.iterrows():
            if (row["class_from"] == name) == (direction > 0):
                continue
            p, q = before.loc[row["original"]], after.loc[edit]
            moved = np.log(q[name] / (1 - q[name])) - np.log(p[name] / (1 - p[name]))
            was, now = p.idxmax() == name, q.idxmax() == name
            switched = now and not was if direction > 0 else was and not now
            found[edit, name, direction] = row["thing"] in things, direction * moved, switched
    return found


def test_moves_are_those_of_a_loop_over_all_edits(edited):
    table, pairs = edited
    before, after = answers(2, 5), answers(3, 40)
    moves = edits.moves(pairs, table, before, after)
    expected = slow(pairs, table, before, after)
    assert len(moves) == len(expected) > 40
    for row in moves.itertuples():
        named, moved, switched = expected[row.edit, row[4], row.direction]
        assert (row.named, row.switched) == (named, switched) and row.moved == pytest.approx(moved)
        assert row.as_said == (moved > 0)


def test_the_share_that_moved_is_compared_within_pictures_and_classes(edited):
    table, pairs = edited
    before, after = answers(2, 5), answers(3, 40)
    cells: dict[tuple, tuple[list, list]] = {}
    for (edit, name, direction), (named, moved, _) in slow(pairs, table, before, after).items():
        sides = cells.setdefault((table["original"][edit], name, direction), ([], []))
        sides[0 if named else 1].append(moved > 0)
    both = {key: (np.mean(one), np.mean(two)) for key, (one, two) in cells.items() if one and two}
    moves = edits.moves(pairs, table, before, after)
    found = edits.summary(moves).set_index("measure").loc["moves as the formula says"]
    assert found["named"] == pytest.approx(np.mean([one for one, _ in both.values()]))
    assert found["others"] == pytest.approx(np.mean([two for _, two in both.values()]))
    assert found["difference"] == pytest.approx(found["named"] - found["others"])
    assert found["pictures"] == len({original for original, _, _ in both})
    assert found["low"] <= found["difference"] <= found["high"]
    by_class = edits.summary(moves, ["class"])
    assert set(by_class["class"]) == {"a", "b"} and len(by_class) == 2 * len(edits.MEASURES)


def test_intervals_draw_whole_pictures():
    values = pd.DataFrame({"original": [0, 0, 0, 1, 2, 2], "x": [1.0, 1, 1, 0, 0, np.nan]})
    mean, low, high = edits.with_interval(values, "x", seed=4)
    drawn = np.random.default_rng(4).integers(0, 3, (edits.DRAWS, 3))
    of = {0: [1, 1, 1], 1: [0], 2: [0]}
    means = [np.mean([v for picture in row for v in of[picture]]) for row in drawn.tolist()]
    assert mean == pytest.approx(3 / 5)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert all(np.isnan(edits.with_interval(values.assign(x=np.nan), "x")))


def test_no_others_gives_missing_differences_and_no_pictures(edited):
    table, pairs = edited
    only = table.loc[table["thing"].isin(["p", "q"])].reset_index(drop=True)
    moves = edits.moves(pairs.query("thing in ('p', 'q')"), only, answers(2, 5), answers(3, len(only)))
    found = edits.summary(moves)
    assert found["named"].notna().all() and found["others"].isna().all() and (found["pictures"] == 0).all()


def test_a_class_that_a_network_lacks_is_named(edited):
    table, pairs = edited
    with pytest.raises(BadInput, match="class a: a network compared has no such class"):
        edits.moves(pairs, table, answers(2, 5)[["b", "c"]], answers(3, 40)[["b", "c"]])


def test_networks_that_switch_together_are_counted_among_edits_that_formulas_name():
    first = pd.DataFrame({"named": [True] * 4 + [False], "switched": [True, True, False, False, True]})
    other = first.assign(switched=[True, False, False, True, False])
    found = edits.together({"one": first, "two": other, "three": first.assign(switched=False)})
    assert found.to_numpy().tolist() == [["two", 0.5, 0.5, 0.5], ["three", 0.0, 0.0, 0.0]]


class Mean(nn.Module):
    """Three scores: the mean of each color, times 3."""

    def __init__(self):
        super().__init__()
        self.features = nn.Identity()

    def forward(self, images):
        return 3 * self.features(images).mean((2, 3))


def test_probabilities_are_the_softmax_of_each_picture_alone():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (16, 16 + i, 3), dtype=np.uint8) for i in range(40)]
    network = Network("mean", Mean(), SHOWN, "none")
    found = edits.probabilities(network, images, "cpu")
    assert list(found) == ["output 0", "output 1", "output 2"]
    for image, row in zip(images, found.to_numpy(), strict=True):
        scores = 3 * SHOWN(image[None]).mean((2, 3))[0].double()
        torch.testing.assert_close(torch.tensor(row), scores.softmax(0), atol=1e-6, rtol=1e-5)
    assert edits.probabilities(network, [], "cpu").shape == (0, 3)


def test_a_zoo_networks_classes_are_its_scenes():
    names, outputs = edits.class_names(load_network("small-alexnet"))
    assert len(names) == 12 and outputs == slice(0, 12) and names[0] == "beach-s"


@pytest.fixture(scope="module")
def drawings():
    return [drawing for i in range(8) if (drawing := Drawing(7, i)).scene.scene]


def test_things_are_added_where_they_are_not_in_places_that_all_share(drawings):
    things = ["car", "tree", "person"]
    made = edits.added(drawings, things, each=2, seed=3)
    assert len(made.originals) == len(drawings) and len(made.images) == len(made.table)
    for original, rows in made.table.groupby("original"):
        absent = [thing for thing in things if thing not in drawings[int(original)].shows]
        assert rows["thing"].tolist() == [thing for thing in absent for _ in range(2)]
        spots = {
            thing: set(zip(own["left"], own["top"], own["size"], strict=True)) for thing, own in rows.groupby("thing")
        }
        assert len(set(map(frozenset, spots.values()))) == 1 and all(len(each) == 2 for each in spots.values())
        assert all(((x, y), size) in CENTRED for each in spots.values() for x, y, size in each)
    row = made.table.iloc[5]
    again = drawings[row["original"]].with_thing(row["thing"], (row["left"], row["top"]), row["size"])
    assert np.array_equal(made.images[5], again.scene.image) and row["area"] == again.mask.mean()


def test_named_things_are_removed_beside_as_many_others(drawings):
    shown = [drawing.shows for drawing in drawings]
    named = {thing for own in shown for thing in own[:1]}
    pairs = pd.DataFrame([("a", thing, 1) for thing in sorted(named)], columns=["class", "thing", "direction"])
    made = edits.removed(drawings, ["a"] * (len(drawings) - 1) + ["b"], pairs, seed=0)
    assert set(made.table["original"]) <= set(range(len(drawings) - 1))
    for original, rows in made.table.groupby("original"):
        own = [thing for thing in shown[int(original)] if thing in named]
        assert [thing for thing in rows["thing"] if thing in named] == own
        assert len(rows) == len(set(rows["thing"])) == len(own) + min(len(own), len(shown[int(original)]) - len(own))
        assert set(rows["thing"]) <= set(shown[int(original)])


def test_other_worlds_are_told_apart(tmp_path):
    square = np.ones((8, 8), np.uint16)
    write(
        tmp_path / "other", [Labelled("a.png", np.zeros((16, 16, 3), np.uint8), {"object": [square]}, {})], {1: "liver"}
    )
    drawn = [Labelled("a.png", each.image, each.maps, each.whole) for each in [scene(0, 12)]]
    from n2vlib.world import CONCEPTS

    write(tmp_path / "drawn", drawn, {number: name for number, name, _ in CONCEPTS})
    edits.need_drawn(load_probe(str(tmp_path / "drawn")))
    with pytest.raises(BadInput, match="needs the drawn world; the probe set other .* PROBE=world, or give PASTED"):
        edits.need_drawn(load_probe(str(tmp_path / "other")))


HEADER = "image,edited,thing,class_from,class_to\n"
ROWS = "one.png,sub/one-p.png,p,a,b\none.png,one-q.jpg,q,a,\ntwo.png,two-p.png,p,c,b\n"


@pytest.fixture
def folder(tmp_path):
    """Two pictures of other sizes, three edits."""
    (tmp_path / "set" / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("one.png", 20), ("sub/one-p.png", 20), ("one-q.jpg", 20), ("two.png", 24), ("two-p.png", 24)):
        Image.fromarray(rng.integers(0, 256, (size, 18, 3), dtype=np.uint8)).save(tmp_path / "set" / name)
    (tmp_path / "set" / "pairs.csv").write_text(HEADER + ROWS)
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.png")
    return tmp_path / "set"


def test_a_folder_of_edited_pictures_gives_the_same_tables(folder):
    found, pairs = pasted.read(folder, CLASSES)
    assert pairs.to_numpy().tolist() == [["b", "p", 1]]
    assert [each.shape for each in found.originals] == [(20, 18, 3), (24, 18, 3)]
    assert [each.shape[0] for each in found.images] == [20, 20, 24] and len(found.images[:2]) == 2
    assert found.table.loc[:, ["original", "thing", "class_from"]].to_numpy().tolist() == [
        [0, "p", "a"], [0, "q", "a"], [1, "p", "c"],
    ]  # fmt: skip
    network = Network("mean", Mean(), SHOWN, "none")
    before, after = (
        edits.probabilities(network, each).set_axis(CLASSES, axis=1) for each in (found.originals, found.images)
    )
    moves = edits.moves(pairs, found.table, before, after)
    assert moves["named"].tolist() == [True, False, True]
    assert edits.summary(moves)["pictures"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "columns are none"),
        (HEADER, "lists no edit"),
        ("image,edited,thing,class_from\n", "line 1: the columns are image,edited,thing,class_from; write image"),
        (HEADER + "one.png,one-q.jpg,q,a\n", "line 2: has 4 fields, the header has 5"),
        (HEADER + ROWS + "one.png,one-q.jpg,,a,b\n", "line 5: thing is empty"),
        (HEADER + "one.png,one-q.jpg,q,,b\n", "line 2: class_from is empty"),
        (HEADER + "one.png,one-q.jpg,q,a,d\n", "line 2: class_to 'd' is no class of the network; near matches"),
        (HEADER + "one.png,one-q.jpg,q,x,b\n", "line 2: class_from 'x' is no class"),
        (HEADER + "one.png,one-q.jpg,q,a,a\n", "line 2: class_from and class_to are both 'a'"),
        (HEADER + "one.png,one.png,q,a,b\n", "line 2: image and edited are both 'one.png'"),
        (HEADER + "one.png,three.png,q,a,b\n", "line 2: there is no file three.png"),
        (HEADER + "one.png,../outside.png,q,a,b\n", "line 2: '../outside.png' is no path below"),
        (HEADER + "one.png,link.png,q,a,b\n", "line 2: link.png is a link out of"),
        (HEADER + "one.png,pairs.csv,q,a,b\n", "pairs.csv: cannot be read as JPEG or PNG"),
        (HEADER.encode() + b"one.png,\xff.png,q,a,b\n", "cannot be read as UTF-8 CSV"),
    ],
)
def test_a_fault_in_a_folder_is_one_line_that_names_its_place(folder, text, says):
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    (folder / "pairs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput, match=says) as caught:
        pasted.read(folder, CLASSES)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_list_says_what_to_write(tmp_path):
    with pytest.raises(BadInput, match=r"has no pairs\.csv, whose columns are image,edited,thing,class_from,class_to"):
        pasted.read(tmp_path, CLASSES)
    with pytest.raises(BadInput, match="is no folder"):
        pasted.read(tmp_path / "nowhere", CLASSES)
