"""Probe sets that are not like Broden: what they lack is reported, and nothing is invented in its place.

Every chapter on every such set is `benchmarks/poor_sets.py`; here are a few of them by seed, and the kinds one by one.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import vl_convert
from measured import TAU, network, probe_in
from scipy import stats

from n2vlib import charts, tables
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.analysis import concept_similarity, discrimination, rating
from n2vlib.charts.theme import drawable
from n2vlib.claims import claim
from n2vlib.display import gallery, style
from n2vlib.errors import BadInput
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.paths import ROOT
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.needs import need
from n2vlib.store import Store


def test_five_chapters_by_seed_run_on_poor_sets_or_say_what_is_missing():
    """N2V_SEED draws others."""
    seed = os.environ.get("N2V_SEED", "0")
    command = [sys.executable, "benchmarks/poor_sets.py", "--sample", "5", "--seed", seed]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 of 5 failed"


def drawn_in(root: Path, whole: bool, splits: Callable[[int], str] = lambda i: ("train", "val")[i % 2]) -> ProbeSet:
    """Twelve images: a lesion on every third, by a mask or by a whole-image label; every image is an organ."""
    lesion = np.zeros((8, 8), np.uint16)
    lesion[:4] = 2
    here: list[dict] = [{"maps": {"lesion": [lesion]}}, {"whole": {"lesion": [2]}}]
    scenes = [
        Labelled(f"d/{i:02}.png", np.full((16, 16, 3), 9 * i, np.uint8), **(here[whole] if i % 3 == 0 else {}))
        for i in range(12)
    ]
    for scene in scenes:
        scene.whole = {**scene.whole, "organ": [1]}
    write(root, scenes, {1: "liver", 2: "cyst"}, split=lambda name: splits(int(name[2:4])))
    return load_probe(str(root))


ALL = ("pixel maps", "training images", "validation images", "images without it")


def test_need_gives_the_concepts_that_fit(tmp_path):
    probe = drawn_in(tmp_path / "set", whole=False)
    assert need(probe, *ALL).tolist() == [2]
    assert need(probe, "training images", "validation images").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("whole", "split", "wanted", "concepts", "said"),
    [
        (True, None, ALL, 1, "this chapter needs pixel maps; the probe set set has none"),
        (False, "train", ALL, 1, "this chapter needs validation images; the probe set set has none"),
        (False, "val", ALL, 1, "this chapter needs training images; the probe set set has none"),
        (False, None, ALL, 2, "needs 2 concepts with pixel maps, .* and images without it; .* set set 1 of 2 fit"),
        (
            False,
            "apart",
            ALL,
            1,
            "needs a concept with pixel maps, .*; of the concepts of the probe set set 0 of 2 fit",
        ),
    ],
)
def test_need_says_what_the_set_lacks_in_one_line(tmp_path, whole, split, wanted, concepts, said):
    ways = {"train": lambda i: "train", "val": lambda i: "val", "apart": lambda i: ("train", "val")[i % 3 > 0]}
    probe = drawn_in(tmp_path / "set", whole, **({"splits": ways[split]} if split else {}))
    with pytest.raises(BadInput, match=said) as raised:
        need(probe, *wanted, concepts=concepts)
    assert "\n" not in str(raised.value)


def layer_on(probe: ProbeSet, store: Path) -> Layer:
    return read_layers(network(), ["0"], probe, tau=TAU, device="cpu", store=Store(str(store)))["0"]


@pytest.mark.parametrize("align", [single_filter.align, segmentation.align])
def test_a_set_without_pixel_maps_gives_empty_tables_with_the_same_columns(tmp_path, align):
    rich, poor = probe_in(tmp_path), drawn_in(tmp_path / "set", whole=True)
    full, none = (align(layer_on(probe, tmp_path / "store"), probe) for probe in (rich, poor))
    assert len(full.scores) and none.scores.empty and none.pairs.empty
    assert list(none.scores) == list(full.scores) and list(none.pairs) == list(full.pairs)
    assert none.weights.shape == (0, full.weights.shape[1])


@pytest.mark.parametrize("n_filters", [None, 1])
def test_a_concept_that_every_image_has_cannot_be_classified_and_leaves_empty_tables(tmp_path, n_filters):
    rich = probe_in(tmp_path)
    poor = drawn_in(tmp_path / "set", whole=True)
    poor = poor.subset(poor.images_with("cyst"))  # all of them livers, too
    full, none = (
        classification.align(layer_on(probe, tmp_path / "store"), probe, n_filters=n_filters) for probe in (rich, poor)
    )
    assert len(full.scores) and none.scores.empty and none.pairs.empty
    assert list(none.scores) == list(full.scores) and list(none.pairs) == list(full.pairs)


CHARTS = [name for name in charts.__all__ if hasattr(getattr(charts, name), "__wrapped__")]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_without_rows_is_one_line(name, capsys):
    made = getattr(charts, name)(pd.DataFrame())
    assert made.text.startswith("No chart (") and "\n" not in made.text and made.text in made.html
    made.display()  # as chapters show several charts of one cell
    assert made.text in capsys.readouterr().out


def test_a_chart_whose_rows_have_no_number_is_one_line():
    values = pd.DataFrame({"layer": ["1", "3"], "share": np.nan, "series": "a"})
    assert charts.by_layer(values, "share", "t", "share", "series").text.startswith("No chart (by layer)")
    counts = pd.DataFrame({"name": ["a"], "category": ["organ"], "images": [0], "area": [0.5]})
    assert charts.concept_counts(counts, "t").text.startswith("No chart (concept counts)")


def test_a_gallery_without_images_and_a_table_without_rows_say_so():
    assert gallery.show([], []).text == "No picture to show."
    assert gallery.show([], [], heading="conv1", nothing="no detector").html.count("conv1: no detector") == 1
    assert "Found (no row)" in charts.table(pd.DataFrame(columns=["name"]), "Found").html


OF_OBJECTS = ["constructor", "toString", "__proto__"]


@pytest.mark.parametrize("name", OF_OBJECTS)
def test_names_that_every_javascript_object_has_are_drawn_like_any_other(name):
    """Vega fails on "constructor"; what is drawn of it is what is drawn of "constructos"."""

    def marks(category: str) -> list[str]:
        rows = [
            (label, one, n) for n, (label, one) in enumerate([(category, category), ("b", category), ("b", "zz")], 1)
        ]
        table = pd.DataFrame(rows, columns=["label", "category", "unique_detectors"])
        spec = drawable(charts.unique_by(table, "label", "t").to_dict())
        drawn = vl_convert.vegalite_to_svg(spec).replace("\u200b", "").replace(category, "NAME")
        return re.findall(r'aria-label="([^"]*)"', drawn)

    assert marks(name) == marks(name[:-1] + "s")
    assert any("category: NAME" in words for words in marks(name))


def test_a_question_of_a_users_own_category_is_asked_by_what_its_labels_are(tmp_path):
    """Two kinds of organ as whole-image labels, two lesions with masks: the answers are those drawn."""
    lesion = np.zeros((8, 8), np.uint16)
    scenes = []
    for i in range(40):
        lesion[:3] = 3 + i // 2 % 2
        scenes.append(Labelled(f"d/{i:02}.png", np.zeros((16, 16, 3), np.uint8), {"lesion": [lesion.copy()]}))
        scenes[-1].whole = {"organ": [1 + i % 2]}
    names = {1: "liver", 2: "kidney", 3: "cyst", 4: "tumour"}
    write(tmp_path / "set", scenes, names, split=lambda name: ("train", "val")[int(name[2:4]) > 19])
    probe = load_probe(str(tmp_path / "set"))
    asked = discrimination.tasks(probe)
    assert list(asked) == ["organ", "largest lesion"]
    drawn = [int(Path(name).stem) for name in probe.images]
    assert [asked["organ"][at] for at in range(40)] == [1 + i % 2 for i in drawn]
    assert [asked["largest lesion"][at] for at in range(40)] == [3 + i // 2 % 2 for i in drawn]


def test_rank_correlation_is_scipys_and_undefined_without_two_values():
    rng = np.random.default_rng(0)
    x, y = pd.Series(rng.integers(0, 5, 30)), pd.Series(rng.random(30), index=range(5, 35))
    expected = stats.spearmanr(x[5:], y[:25]).statistic
    assert np.isclose(tables.rank_correlation(x, y), expected)
    for constant in (pd.Series(1.0, x.index), pd.Series(dtype=float)):
        assert np.isnan(tables.rank_correlation(x, constant))
    assert style.formatted(np.nan) == "not defined" and style.formatted(0.256) == "0.26"


def test_groups_are_equal_or_one():
    thirds = tables.in_groups(pd.Series([5.0, 1, 3, 2, 6, 4]), ["low", "middle", "high"])
    assert thirds.tolist() == ["high", "low", "middle", "low", "high", "middle"]
    assert set(tables.in_groups(pd.Series([1.0, 2, 2, 2]), ["low", "middle", "high"])) == {"all"}
    assert tables.in_groups(pd.Series(dtype=float), ["low", "high"]).empty


def test_a_category_that_is_not_there_is_not_preferred():
    rows = pd.DataFrame({"category": ["organ", "lesion", "part"]})
    assert style.preferred(rows, "object", "part").index.tolist() == [2]
    assert style.preferred(rows, "object").index.tolist() == [0, 1, 2]


def test_a_claim_that_a_set_is_too_poor_for_is_not_measured_and_says_why():
    def too_poor(_measured):
        raise BadInput("spaces: fewer than three concepts are in all of them")

    found = claim.check({"kin": too_poor}, None, ["kin"]).iloc[0]
    assert found["holds"] == "not measured" and "fewer than three concepts" in found["note"]


def test_questions_for_people_need_a_filter_that_fires():
    with pytest.raises(BadInput, match="no filter fires in 15 images; take more images or a larger tau"):
        rating.draw_questions(pd.DataFrame({"layer": [], "label": []}), 4, seed=0)


def test_no_permuted_pair_is_no_share():
    none = np.zeros(0, np.int64)
    none.flags.writeable = False
    assert np.isnan(concept_similarity.if_permuted({}, none, none))
