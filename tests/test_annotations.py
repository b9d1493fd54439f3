"""A probe set in numbers, against loops over the masks that were written."""

import csv
import re
from itertools import chain, combinations
from pathlib import Path
from types import SimpleNamespace

import handmade
import numpy as np
import pytest

from n2vlib.analysis import annotations
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """36 hand-made images, two without a label, two with an empty cell but for their scene: the set, and its masks."""
    root, masks = tmp_path_factory.mktemp("annotations") / "set", {}

    def scenes():
        blank = np.zeros((48, 48, 3), np.uint8)
        for i in range(36):
            scene, masks[scene.name] = handmade.draw(i, 48, 2)
            yield scene
        for i in range(4):
            masks[f"bare/{i}.png"] = {10: np.ones((24, 24), bool)} if i < 2 else {}
            yield Labelled(f"bare/{i}.png", blank, {}, {"scene": [10]} if i < 2 else {})

    write(root, scenes(), {**handmade.NAMES, 7: "nowhere"})
    names = {int(row["number"]): re.findall(r"(\w+)\(", row["category"]) for row in rows_of(root / "label.csv")}
    probe = load_probe(str(root))
    cells = {row["image"]: row for row in rows_of(root / "index.csv")}
    return SimpleNamespace(probe=probe, masks=[masks[name] for name in probe.images], categories=names, cells=cells)


def test_images_and_shares_are_those_of_the_masks(made):
    found = annotations.sizes(made.probe)
    for number, row in found.iterrows():
        held = [i for i, masks in enumerate(made.masks) if number in masks]
        shares = [made.masks[i][number].mean() for i in held]
        assert row["train"] == sum(made.probe.split[i] == "train" for i in held)
        assert row["train"] + row["val"] == len(held) > 0
        assert row["share"] == pytest.approx(np.mean(shares))
        for name, q in annotations.QUANTILES.items():
            assert row[name] == pytest.approx(np.quantile(shares, q))
        assert row["whole"] == (len(held) if made.categories[number][0] in ("scene", "texture") else 0)


def test_every_image_is_in_the_class_of_its_share(made):
    edges = (0.0, 0.01, 0.05, 0.2, 1.0)
    found = annotations.size_classes(made.probe, edges)
    for number, counts in zip(made.probe.concepts.index, found, strict=True):
        shares = [masks[number].mean() for masks in made.masks if number in masks]
        pairs = zip(edges, edges[1:], strict=False)
        assert counts.tolist() == [sum(low < share <= high for share in shares) for low, high in pairs]


def judged(made, number: int) -> set[int]:
    """Images with a label of a category of the concept, by the cells of index.csv."""
    cells = [made.cells[name] for name in made.probe.images]
    return {i for i, row in enumerate(cells) if any(row[category] for category in made.categories[number])}


@pytest.mark.parametrize("block", [annotations.BLOCK, 4])
def test_pairs_are_counted_where_both_are_judged(made, monkeypatch, block):
    monkeypatch.setattr(annotations, "BLOCK", block)
    found = annotations.together(made.probe, least=3).set_index(["one", "other"])
    expected = {}
    for one, other in combinations(made.probe.concepts.index.tolist(), 2):
        known = judged(made, one) & judged(made, other)
        with_one = {i for i in known if one in made.masks[i]}
        with_other = {i for i in known if other in made.masks[i]}
        chance = len(with_one) * len(with_other) / len(known) if known else 0
        if len(with_one & with_other) >= 3 or chance >= 3:
            expected[one, other] = (len(with_one & with_other), len(known), chance)
    assert set(found.index) == set(expected) and len(expected) > 5
    for pair, (images, known, chance) in expected.items():
        row = found.loc[pair]
        assert (row["images"], row["judged"]) == (images, known)
        assert (row["expected"], row["lift"]) == pytest.approx((chance, images / chance))
    assert found["lift"].is_monotonic_decreasing


def test_what_is_never_judged_together_is_no_pair(made):
    striped, square = handmade.NUMBERS["striped"], handmade.NUMBERS["square"]
    assert not judged(made, striped) & judged(made, square)
    rows = annotations.together(made.probe, least=0)
    assert len(rows) and not ((rows["one"] == square) & (rows["other"] == striped)).any()


def test_images_without_a_label_are_those_without_masks(made):
    assert annotations.unlabelled(made.probe).tolist() == [i for i, masks in enumerate(made.masks) if not masks]
    assert len(annotations.unlabelled(made.probe)) == 2


def test_labelled_categories_are_those_with_a_cell(made):
    cells = [[bool(made.cells[name][category]) for category in made.probe.categories] for name in made.probe.images]
    assert annotations.labelled(made.probe).tolist() == cells and not all(chain.from_iterable(cells))
