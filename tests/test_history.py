"""Facts about filters during training: counts of kept names by hand, and concepts that are alike by construction."""

import numpy as np
import pandas as pd
import pytest

from n2vlib import charts
from n2vlib.analysis import concept_similarity, history
from n2vlib.errors import BadInput
from n2vlib.probe import load_probe
from n2vlib.zoo import shipped

NAMES = pd.DataFrame(
    [
        ("before", 0, 5, "sky", 0.30, True), ("before", 1, 6, "sea", 0.10, True), ("before", 2, 7, "red", 0.01, False),
        ("middle", 0, 5, "sky", 0.20, True), ("middle", 1, 7, "red", 0.10, True), ("middle", 2, 5, "sky", 0.09, True),
        ("after", 0, 5, "sky", 0.25, True), ("after", 1, 5, "sky", 0.10, True), ("after", 2, 7, "red", 0.30, True),
    ],
    columns=["label", "filter", "concept", "name", "dissection_iou", "detector"],
).assign(category="object")  # fmt: skip


def test_a_filter_keeps_its_concept_where_the_best_one_is_the_same_detector_or_not():
    changed = history.changes(NAMES, "before", "after")
    assert changed["kept"].tolist() == [True, False, True]
    table = history.kept(changed).set_index("filters")
    assert table.loc["all", ["kept", "of"]].tolist() == [2, 3]
    assert table.loc["detectors before and after", ["kept", "of"]].tolist() == [1, 2]
    assert table["share"].between(table["low"], table["high"]).all()


def test_an_unstable_filter_is_one_with_many_names_while_it_detects():
    assert history.concepts_detected(NAMES).to_dict() == {1: 3, 2: 2, 0: 1}


def test_the_scoreboard_has_the_zoos_cards_and_nothing_of_other_networks():
    rows = [
        {"network": "small-alexnet-repeat-2", "label": "again"},
        {"network": "a/file.py:f"},
        {"network": "small-alexnet"},
    ]
    board = history.scoreboard(rows)
    assert board.index.tolist() == ["again", "small-alexnet"]
    assert board.columns[[0, -1]].tolist() == ["scene accuracy", "objects measured"]
    known = shipped.card("small-alexnet-repeat-2")["accuracy"]
    assert board.loc["again", "scene accuracy"] == known["scene_accuracy"]
    assert (
        board["objects measured"].dtype == "Int64"
        and board.loc["again", "objects measured"] == known["objects_measured"]
    )


def test_steps_are_those_of_the_zoo_or_those_given():
    rows = [
        {"network": "small-alexnet-repeat-1@10", "layer": "conv5", "label": "early"},
        {"network": "small-alexnet-repeat-1", "layer": "conv5"},
        {"network": "mine.py:start", "layer": "conv5", "steps": 7},
    ]
    table = history.steps(rows)
    assert table["label"].tolist() == ["early", "small-alexnet-repeat-1", "start"]
    assert table["steps"].iloc[0] == 10 and table["steps"].iloc[1] > 10 and table["steps"].iloc[2] == 7
    told = history.scores(rows)
    assert set(told["label"]) == {"early", "small-alexnet-repeat-1"} and told["value"].between(0, 100).all()
    with pytest.raises(BadInput, match="number of training steps is not known; give the entry `steps`"):
        history.steps([{"network": "small-alexnet-random", "layer": "conv5"}])


def painted(kind: str, color: tuple[int, int, int], striped: bool) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((40, 40), bool)
    rows, columns = np.mgrid[:40, :40]
    if kind == "box":
        mask[10:30, 10:30] = True
    elif kind == "bar":
        mask[18:23, 2:38] = True
    else:
        mask = (rows - 20) ** 2 + (columns - 20) ** 2 < 150
    image = np.full((40, 40, 3), 90, np.uint8)
    image[mask] = color
    if striped:
        image[mask & (columns % 2 == 0)] //= 3
    return image, mask


def seen(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return concept_similarity._of_image(image, {7: mask})[7]


def test_color_texture_and_shape_are_measured_on_the_concepts_own_pixels():
    image, mask = painted("box", (200, 30, 30), False)
    image[~mask] = 0  # what is around it does not count
    color, texture, shape = seen(image, mask)
    assert np.allclose(color, np.array([200, 30, 30]) / 255, atol=0.01) and np.allclose(texture, 0)
    assert np.allclose(shape[:-1], 1) and shape[-1] == 0
    striped, mask = painted("box", (200, 30, 30), True)
    _, texture, _ = seen(striped, mask)
    assert texture[0] > 0.1 and texture[2] == 0  # stripes stand upright: steps across, none down
    bar, mask = painted("bar", (1, 1, 1), False)
    assert seen(bar, mask)[2][-1] == pytest.approx(np.log(5 / 36))
    assert concept_similarity._of_image(bar, {7: np.zeros_like(mask)}) == {}


def test_two_concepts_are_alike_in_the_kind_where_they_are_nearest():
    index = [1, 2, 3, 4]
    apart = pd.DataFrame([[0.0], [33.0], [10.0], [21.0]], index=index)
    close = pd.DataFrame([[0.0], [0.1], [21.0], [33.0]], index=index)
    kinds = {"shape": apart, "texture": apart, "color": close, "co-occurrence": apart}
    near = concept_similarity.nearness(kinds)
    assert near["color"].loc[1, 2] == pytest.approx(5 / 6)  # nearer than the five other pairs, out of six
    assert concept_similarity.kind_of(near, 1, 2, least=0.8) == "color"
    assert concept_similarity.kind_of(near, 1, 4, least=0.8) == "none"
    assert concept_similarity.kind_of(near, 1, 99) == "not known"
    pairs = np.array([(a, b) for a in (*index, 99) for b in (*index, 99)])
    one_by_one = [concept_similarity.kind_of(near, int(a), int(b)) for a, b in pairs]
    alike = [kind != "none" for kind in one_by_one if kind != "not known"]
    assert concept_similarity.similar(near, *pairs.T).tolist() == alike and {*alike} == {True, False}
    kinds["shape"] = apart.where(apart != 33.0)  # concept 2 is of whole images
    near = concept_similarity.nearness(kinds)
    assert near["shape"].loc[2].eq(0).all() and near["shape"].loc[1, 3] == pytest.approx(2 / 3)


def test_concepts_of_the_drawn_world_are_described_by_what_is_drawn():
    probe = load_probe("world-800")
    told = concept_similarity.described(probe, images=5)
    assert {len(rows) for rows in told.values()} == {len(told["color"])}
    colors = probe.concepts[probe.concepts["category"] == "color"].set_index("name").index
    number = {name: probe.concept(f"{name}") for name in ("red-c", "blue-c") if name in colors}
    for name, channel in (("red-c", 0), ("blue-c", 2)):
        if name in number:
            assert told["color"].loc[number[name]].argmax() == channel
    assert np.allclose(np.linalg.norm(told["co-occurrence"], axis=1), 1)


def test_the_chart_of_a_training_keeps_counts_and_scores_apart():
    counts = pd.DataFrame(
        {"steps": [1, 1, 9, 9], "category": ["object", "color"] * 2, "unique_detectors": [0, 1, 3, 2]}
    )
    scores = pd.DataFrame({"steps": [1, 9], "score": "accuracy", "value": [0.1, 0.5]})
    upper, lower = charts.along_training(counts, scores, "t").to_dict()["vconcat"]
    assert upper["encoding"]["y"]["field"] == "unique_detectors" and lower["encoding"]["y"]["field"] == "value"
    alone = charts.along_training(counts, scores.head(0), "t").to_dict()
    assert "vconcat" not in alone
    with pytest.raises(BadInput, match="no column 'steps'"):
        charts.along_training(counts.drop(columns="steps"), scores, "t")
