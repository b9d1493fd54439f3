"""Do answers move as formulas say? Against slow loops over every edit, and answers planted by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_array
from torch import nn

from n2vlib.compositional import classifier, edits, moved, pasted
from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store
from n2vlib.world import CONCEPTS, scene
from n2vlib.world.edited import CENTRED, PLACES, SIZES, THINGS_DRAWN, Drawing

CLASSES = ["a", "b", "c"]
SHOWN = Preprocessing((16, 16), (0.5,) * 3, (0.25,) * 3, 1)


def test_the_strongest_filter_whose_formula_holds_for_a_thing_is_taken():
    looks = pd.DataFrame({"thing": ["car", "car", "tree"], "share": [0.6, 0.4, 1.0]})
    looks = looks.assign(car=[1, 1, 0], red=[1, 0, 0], tree=[0, 0, 1], sky=0, wheel=[0, 1, 0]).astype({"car": bool})
    looks = looks.astype(dict.fromkeys(["red", "tree", "sky", "wheel"], bool))
    effects = np.array([[9.0, -1, 2], [8, -2, 1], [7, -3, 4], [np.nan_to_num(-np.inf), -4, 5]])
    formulas = {0: parse("sky OR wheel"), 1: parse("car AND NOT wheel"), 2: parse("tree OR car"), 3: parse("red")}
    found = edits.things_for(effects, CLASSES, formulas, looks)
    assert found.loc[:, ["class", "filter", "rank", "thing"]].to_numpy().tolist() == [
        ["a", 1, 2, "car"],  # the first formula holds for two fifths of a car
        ["c", 3, 1, "car"],  # red: six tenths of it. No filter supports b
    ]
    assert found["holds"].tolist() == [0.6, 0.6] and found["effect"].tolist() == [8, 5]


def test_looks_are_the_labels_of_things_and_their_shares_add_up_to_one():
    looks = edits.looks()
    assert set(looks["thing"]) == set(THINGS_DRAWN)
    assert np.allclose(looks.groupby("thing")["share"].sum(), 1)
    assert all(looks.loc[looks["thing"] == name, name].all() for name in ("car", "traffic light", "vase"))
    assert (
        not looks["sky"].any()
        and looks.loc[looks["wheel"], "thing"].isin(["car", "bus", "truck", "bicycle", "tractor"]).all()
    )
    assert set(looks.loc[looks["cactus"] & looks["green-c"], "thing"]) == {"cactus"}


def test_a_formula_holds_where_pythons_operators_say():
    drawn = scene(0, 12)
    number = {name: n for n, name, _ in CONCEPTS}
    objects, colors, parts = (drawn.maps[c][0] for c in ("object", "color", "part"))
    place = next(name for n, name, _ in CONCEPTS if n == drawn.scene)
    for text, mask in (
        ("bus", objects == number["bus"]),
        ("bus AND NOT window", (objects == number["bus"]) & (parts != number["window"])),
        (
            "(wheel OR sky) AND NOT blue-c",
            ((parts == number["wheel"]) | (objects == number["sky"])) & (colors != number["blue-c"]),
        ),
        (f"road AND {place}", objects == number["road"]),
        ("road AND NOT kitchen-s AND NOT striped", objects == number["road"]),
        (f"road AND NOT {place}", np.zeros_like(objects, bool)),
    ):
        assert np.array_equal(edits.holds(parse(text), drawn), mask) and (mask.any() or "AND NOT street" in text)


def test_without_a_category_no_formula_names_it_and_atoms_stay():
    concepts = pd.DataFrame({"name": ["x", "y", "z"], "category": ["scene", "object", "scene"]})
    members = csr_array(np.array([[1, 0], [0, 1], [1, 1]], bool))
    counts = Counts(np.ones((4, 2), int), np.ones(2, int), members, concepts, np.eye(4, 3) > 0)
    fewer = edits.without(counts, "scene")
    assert fewer.names == ["y"] and fewer.members.toarray().tolist() == [[False, True]]
    assert fewer.beside.tolist() == [[False], [True], [False], [False]] and fewer.fired is counts.fired


def answers(seed: int, n: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).dirichlet(np.ones(3), n), columns=CLASSES)


@pytest.fixture
def made():
    """Five pictures with forty edits, after which the formulas of two classes hold on more, less or as much."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"original": rng.integers(0, 5, 40), "thing": rng.choice(["p", "q", "r", "s"], 40)})
    table["class_from"] = [CLASSES[i % 3] for i in table["original"]]
    gained = pd.DataFrame(rng.choice([-0.1, 0, 0.2], (40, 2)), columns=["a", "b"])
    return edits.Edits([], [], table, gained)


def slow(made, before, after, direction):
    """{(edit, class): (named, moved, switched, as said)}, one edit after another."""
    found = {}
    for name in made.gained:
        for edit, row in made.table.iterrows():
            if (row["class_from"] == name) == (direction > 0):
                continue
            p, q = before.loc[row["original"]], after.loc[edit]
            was, now = p.idxmax() == name, q.idxmax() == name
            others = [c for c in CLASSES if c not in (name, row["class_from"])]
            if direction > 0:
                moved = np.log(q[name] / p[name]) - np.mean([np.log(q[c] / p[c]) for c in others])
                switched = now and not was
            else:
                moved = np.log(p[name] / (1 - p[name])) - np.log(q[name] / (1 - q[name]))
                switched = was and not now
            found[edit, name] = (
                direction * made.gained.loc[edit, name] > 0,
                moved,
                switched,
                direction * (q[name] - p[name]) > 0,
            )
    return found


@pytest.mark.parametrize("direction", [1, -1])
def test_moves_are_those_of_a_loop_over_all_edits(made, direction):
    before, after = answers(2, 5), answers(3, 40)
    moves = moved.moves(made, before, after, direction=direction)
    expected = slow(made, before, after, direction)
    assert len(moves) == len(expected) > 20
    for row in moves.itertuples():
        name = row[moves.columns.get_loc("class") + 1]
        named, rise, switched, as_said = expected[row.edit, name]
        assert (row.named, row.switched, row.as_said) == (named, switched, as_said)
        assert row.moved == pytest.approx(rise)
        if direction > 0:
            p, q = before.loc[row.original], after.loc[row.edit]
            others = [c for c in CLASSES if c != made.table["class_from"][row.edit]]
            assert row.most == (max(others, key=lambda c: q[c] / p[c]) == name)
    assert ("most" in moves) == (direction > 0) and "area" not in moves
    areas = replace(made, table=made.table.assign(area=np.arange(40) / 40))
    moves = moved.moves(areas, before, after, direction=direction)
    assert (moves["area"] == moves["edit"] / 40).all()
    assert moves["switched"].any() and moves["named"].any() and not moves["named"].all()


@pytest.mark.parametrize("direction", [1, -1])
def test_the_share_that_moved_is_compared_within_pictures_and_classes(made, direction):
    before, after = answers(2, 5), answers(3, 40)
    cells: dict[tuple, tuple[list, list]] = {}
    for (edit, name), (named, _, _, as_said) in slow(made, before, after, direction).items():
        sides = cells.setdefault((made.table["original"][edit], name), ([], []))
        sides[0 if named else 1].append(as_said)
    both = {key: (np.mean(one), np.mean(two)) for key, (one, two) in cells.items() if one and two}
    moves = moved.moves(made, before, after, direction=direction)
    found = moved.summary(moves).set_index("measure")
    assert list(found.index) == [words for column, words in moved.MEASURES.items() if column in moves]
    measures, found = len(found), found.loc["moves as said"]
    assert found["named"] == pytest.approx(np.mean([one for one, _ in both.values()]))
    assert found["others"] == pytest.approx(np.mean([two for _, two in both.values()]))
    assert found["difference"] == pytest.approx(found["named"] - found["others"])
    assert found["pictures"] == len({original for original, _ in both})
    assert found["low"] <= found["difference"] <= found["high"]
    by_class = moved.summary(moves, ["class"])
    assert set(by_class["class"]) == {"a", "b"} and len(by_class) == 2 * measures


def test_intervals_draw_whole_pictures():
    values = pd.DataFrame({"original": [0, 0, 0, 1, 2, 2], "x": [1.0, 1, 1, 0, 0, np.nan]})
    mean, low, high = moved.with_interval(values, "x", seed=4)
    drawn = np.random.default_rng(4).integers(0, 3, (moved.DRAWS, 3))
    of = {0: [1, 1, 1], 1: [0], 2: [0]}
    means = [np.mean([v for picture in row for v in of[picture]]) for row in drawn.tolist()]
    assert mean == pytest.approx(3 / 5)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert all(np.isnan(moved.with_interval(values.assign(x=np.nan), "x")))


def test_no_others_gives_missing_differences_and_no_pictures(made):
    only = replace(made, gained=made.gained * 0 + 1)
    found = moved.summary(moved.moves(only, answers(2, 5), answers(3, 40)))
    assert found["named"].notna().all() and found["others"].isna().all() and (found["pictures"] == 0).all()


def test_a_class_that_a_network_lacks_is_named(made):
    with pytest.raises(BadInput, match="class a: a network compared has no such class"):
        moved.moves(made, answers(2, 5)[["b", "c"]], answers(3, 40)[["b", "c"]])


def test_networks_that_switch_together_are_counted_among_edits_that_formulas_name():
    first = pd.DataFrame({"named": [True] * 4 + [False], "switched": [True, True, False, False, True]})
    other = first.assign(switched=[True, False, False, True, False])
    found = moved.together({"one": first, "two": other, "three": first.assign(switched=False)})
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
    found = moved.probabilities(network, images, "cpu")
    assert list(found) == ["output 0", "output 1", "output 2"]
    for image, row in zip(images, found.to_numpy(), strict=True):
        scores = 3 * SHOWN(image[None]).mean((2, 3))[0].double()
        torch.testing.assert_close(torch.tensor(row), scores.softmax(0), atol=1e-6, rtol=1e-5)
    assert moved.probabilities(network, [], "cpu").shape == (0, 3)


def test_answers_are_kept_for_the_same_network_and_pictures_only(tmp_path, monkeypatch):
    images, store = [np.full((16, 16, 3), value, np.uint8) for value in (9, 90)], Store(str(tmp_path))
    network = Network("mean", Mean(), SHOWN, "none")
    first = moved.probabilities(network, images, "cpu", store)
    pd.testing.assert_frame_equal(first, moved.probabilities(network, images, "cpu"))
    monkeypatch.setattr(moved, "_probabilities", None)
    pd.testing.assert_frame_equal(first, moved.probabilities(network, images, "cpu", store))
    with pytest.raises(TypeError):
        moved.probabilities(network, images[::-1], "cpu", store)
    with pytest.raises(TypeError):
        moved.probabilities(Network("mean", Mean(), replace(SHOWN, mean=(0.1,) * 3), "none"), images, "cpu", store)


def test_a_zoo_networks_classes_are_its_scenes():
    names, outputs = classifier.class_names(load_network("small-alexnet"))
    assert len(names) == 12 and outputs == slice(0, 12) and names[0] == "beach-s"


@pytest.mark.parametrize(("name", "there"), [("small-alexnet-objects", "objects"), ("small-resnet-captions", "words")])
def test_a_zoo_network_without_scenes_is_refused(name, there):
    with pytest.raises(BadInput, match=f"{name}: its outputs are {there}; take a network that classifies scenes"):
        classifier.class_names(load_network(name))


@pytest.fixture(scope="module")
def drawings():
    return [drawing for i in range(8) if (drawing := Drawing(7, i)).scene.scene]


CHOSEN = pd.DataFrame(
    [("a", "car AND NOT window", "car"), ("b", "green-c", "tree"), ("c", "person", "person")],
    columns=["class", "formula", "thing"],
)


def test_things_are_added_where_they_are_not_in_places_that_all_share(drawings):
    given = [CLASSES[i % 3] for i in range(len(drawings))]
    made = edits.added(drawings, given, CHOSEN, each=2, seed=3)
    assert len(made.originals) == len(drawings) and len(made.images) == len(made.table) == len(made.gained)
    for original, rows in made.table.groupby("original"):
        absent = [thing for thing in CHOSEN["thing"] if thing not in drawings[int(original)].shows]
        assert rows["thing"].tolist() == [thing for thing in absent for _ in range(2)]
        spots = {tuple(map(tuple, own[["left", "top", "size"]].to_numpy())) for _, own in rows.groupby("thing")}
        assert len(spots) == 1 and all(((x, y), size) in CENTRED for x, y, size in min(spots))
        assert (rows["class_from"] == given[int(original)]).all()
    for edit, row in list(made.table.iterrows())[::5]:
        drawing = drawings[row["original"]]
        again = drawing.with_thing(row["thing"], (row["left"], row["top"]), row["size"])
        assert np.array_equal(made.images[edit], again.scene.image) and row["area"] == again.mask.mean()
        for name, text in zip(CHOSEN["class"], CHOSEN["formula"], strict=True):
            areas = [edits.holds(parse(text), each).mean() for each in (drawing.scene, again.scene)]
            assert made.gained.loc[edit, name] == pytest.approx(areas[1] - areas[0])


def test_every_thing_is_removed_once(drawings):
    first = drawings[0].shows[0]
    made = edits.removed(drawings, ["a"] * len(drawings), CHOSEN.assign(formula=f'"{first}"'))
    expected = [(i, thing) for i, drawing in enumerate(drawings) for thing in drawing.shows]
    assert [*zip(made.table["original"], made.table["thing"], strict=True)] == expected
    gone = made.table["thing"] == first
    assert gone.any() and (made.gained.loc[gone] < 0).all(axis=None)


def test_everywhere_is_the_released_grid_in_the_first_scene_that_can_have_it(drawings):
    given = ["b"] * len(drawings)
    made = edits.everywhere(drawings, given, CHOSEN, ["d", "b", "c"])  # d has no thing, and all scenes are of b
    n = next(i for i, drawing in enumerate(drawings) if "person" not in drawing.shows)
    assert np.array_equal(made.originals[0], drawings[n].scene.image) and list(made.gained) == ["c"]
    assert len(made.images) == 216 and set(made.table["thing"]) == {"person"}
    spots = made.table[["size", "left", "top"]].to_numpy().tolist()
    assert spots == [[size, *place] for size in SIZES for place in PLACES]
    assert ((made.gained["c"] > 0) <= (made.table["area"] > 0)).all()
    none = edits.everywhere([], given, CHOSEN, ["c"])
    assert none.table.empty and moved.outcomes(none, pd.DataFrame(columns=CLASSES)).empty


def test_outcomes_are_the_releases_words(made):
    one = replace(made, table=made.table[:3].assign(class_from=["b", "b", "c"]), gained=made.gained[["a"]][:3])
    after = pd.DataFrame([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.6, 0.2]], columns=CLASSES)
    assert moved.outcomes(one, after).tolist() == ["success", "failure", "partial"]


def test_no_thing_is_a_line_that_says_what_to_do(drawings):
    with pytest.raises(BadInput, match="choose a later layer"):
        edits.added(drawings, ["a"] * len(drawings), CHOSEN[:0], each=1, seed=0)
    with pytest.raises(BadInput, match="in a picture of another class: take more scenes"):
        edits.added(drawings, ["a"] * len(drawings), CHOSEN[:1], each=1, seed=0)


def test_other_worlds_are_told_apart(tmp_path):
    square = np.ones((8, 8), np.uint16)
    write(
        tmp_path / "other", [Labelled("a.png", np.zeros((16, 16, 3), np.uint8), {"object": [square]}, {})], {1: "liver"}
    )
    drawn = [Labelled("a.png", each.image, each.maps, each.whole) for each in [scene(0, 12)]]
    write(tmp_path / "drawn", drawn, {number: name for number, name, _ in CONCEPTS})
    edits.need_drawn(load_probe(str(tmp_path / "drawn")))
    with pytest.raises(BadInput, match="needs the drawn world; the probe set other .* PROBE=world, or give PASTED"):
        edits.need_drawn(load_probe(str(tmp_path / "other")), ", or give PASTED")


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
    found = pasted.read(folder, CLASSES)
    assert found.gained.to_dict("list") == {"b": [1.0, 0.0, 1.0]}
    assert [each.shape for each in found.originals] == [(20, 18, 3), (24, 18, 3)]
    assert [each.shape[0] for each in found.images] == [20, 20, 24] and len(found.images[:2]) == 2
    assert found.table.loc[:, ["original", "thing", "class_from"]].to_numpy().tolist() == [
        [0, "p", "a"], [0, "q", "a"], [1, "p", "c"],
    ]  # fmt: skip
    network = Network("mean", Mean(), SHOWN, "none")
    before, after = (
        moved.probabilities(network, each).set_axis(CLASSES, axis=1) for each in (found.originals, found.images)
    )
    moves = moved.moves(found, before, after)
    assert moves["named"].tolist() == [True, False, True]
    assert (moved.summary(moves)["pictures"] == 1).all()


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
        (HEADER + "one.png,one-q.jpg,q,a,\n", "class_to is empty in every line"),
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
