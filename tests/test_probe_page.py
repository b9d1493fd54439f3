"""A probe set's page: its contents against loops over the masks that were written; names that are no markup; bounds."""

import json
import re
import shutil
from itertools import pairwise
from types import SimpleNamespace

import handmade
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from markup import Tags, filled
from typer.testing import CliRunner

from n2vlib import probe_page
from n2vlib.cli import app
from n2vlib.errors import BadInput
from n2vlib.pages import document, pictures
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.check import check
from n2vlib.probe_page import contents, examples, page

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
BARE = 30  # images without a label


def told_in(text: str) -> dict:
    return json.loads(re.search(r'id="contents">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """60 hand-made images and some bare ones, and the page of them: probe, masks by position, contents, text."""
    root, masks = tmp_path_factory.mktemp("probe-page") / "set", {}

    def scenes():
        for i in range(60):
            scene, masks[scene.name] = handmade.draw(i, 48, 2)
            yield scene
        for i in range(BARE):
            masks[f"bare/{i}.png"] = {}
            yield Labelled(f"bare/{i}.png", np.zeros((48, 48, 3), np.uint8))

    write(root, scenes(), {**handmade.NAMES, 4: HOSTILE})
    probe = load_probe(str(root))
    text = probe_page.write(root.parent / "page.html", probe).read_text(encoding="utf-8")
    told = told_in(text)
    return SimpleNamespace(probe=probe, masks=[masks[name] for name in probe.images], told=told, text=text)


def areas(made, number: int) -> dict[int, int]:
    """{image: pixels} of a concept."""
    return {i: int(masks[number].sum()) for i, masks in enumerate(made.masks) if number in masks}


def test_counts_and_sizes_are_those_of_the_masks(made):
    told = made.told["concepts"]
    for c, number in enumerate(told["number"]):
        held = areas(made, number)
        assert told["train"][c] + told["val"][c] == len(held) == sum(told["classes"][c])
        assert told["val"][c] == sum(made.probe.split[i] == "val" for i in held)
        assert told["share"][c] == pytest.approx(np.mean(list(held.values())) / 24**2, rel=5e-3)
        for name, value in {"smallest": min, "largest": max}.items():
            assert told[name][c] == pytest.approx(value(held.values()) / 24**2, rel=5e-3)


def test_examples_are_the_masks_themselves_from_each_run_of_sizes(made):
    for c, number in enumerate(made.told["concepts"]["number"]):
        held, rows = areas(made, number), made.told["examples"][c]
        ordered = sorted(held, key=lambda i: (held[i], i))
        runs = np.array_split(ordered, min(page.PICTURES, len(held)))
        assert len(rows) == len(runs) and all(row[0] in run for row, run in zip(rows, runs, strict=True))
        for image, share, mask in rows:
            truth = made.masks[image][number]
            assert share == pytest.approx(truth.mean(), rel=5e-3)
            assert truth.all() if mask is None else (filled(mask, truth.shape) == truth).all()
            assert made.told["files"][str(image)] == made.probe.images[image]


def test_another_seed_shows_other_images_and_the_same_seed_the_same(made):
    once, again, other = (examples.spread(made.probe, 4, seed) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert any((a != b).any() for a, b in zip(once, other, strict=True))


def test_pairs_link_both_ways_and_are_ordered_by_lift(made):
    told, number = made.told, made.told["concepts"]["number"]
    for rows, sign in ((told["strongest"], 1), (told["weakest"], -1)):
        assert rows and all(sign * a[4] >= sign * b[4] for a, b in pairwise(rows))
        for one, other, images, expected, lift in rows:
            both = areas(made, number[one]).keys() & areas(made, number[other]).keys()
            assert images == len(both) and lift == pytest.approx(images / expected, rel=1e-2)
            assert (images >= told["about"]["least"] and lift > 1) if sign > 0 else lift < 1
    beside = {(c, other): rest for c, rows in enumerate(told["beside"]) for other, *rest in rows}
    assert beside and all(beside[other, c] == rest for (c, other), rest in beside.items())  # fewer than ten of any


def test_counts_stay_whole():
    pairs = pd.DataFrame({"one": [3], "other": [7], "images": [20651], "lift": [1.23456]})
    assert contents._rows(pairs, {3: 0, 7: 1}, [*pairs]) == [[0, 1, 20651, 1.23]]


def test_bare_images_are_counted_and_some_are_shown(made):
    bare = {i for i, masks in enumerate(made.masks) if not masks}
    told = made.told["unlabelled"]
    assert told["count"] == len(bare) == BARE
    assert len(told["shown"]) == contents.UNLABELLED and set(told["shown"]) <= bare & set(made.told["images"])


def test_categories_are_counted(made):
    rows = {name: counts for name, *counts in made.told["by_category"]}
    assert rows["color"][0] == 3 and rows["part"][0] == 1 and rows["material"][0] == 2  # rim is in both
    assert rows["color"][1] + rows["color"][2] == 60


def test_warnings_are_those_of_the_check(tmp_path):
    world = handmade.build(tmp_path / "set", n_images=8)
    text = probe_page.write(tmp_path / "page.html", load_probe(str(world.root))).read_text(encoding="utf-8")
    told = told_in(text)
    wanted = [[each.severity, f"{each.file}, row {each.row}", each.message] for each in check(world.root)]
    assert told["problems"] == {"count": len(wanted), "shown": wanted} and len(wanted) > 2
    assert contents.problems(check(world.root) * 500)["count"] == 500 * len(wanted)
    assert len(contents.problems(check(world.root) * 500)["shown"]) == contents.MOST_PROBLEMS
    assert "8 of 8 images" in dict(told["about"]["rows"])["checked"]


def test_of_a_large_set_only_the_images_shown_are_opened(made, tmp_path, monkeypatch):
    copy = shutil.copytree(made.probe.root, tmp_path / "set")
    monkeypatch.setattr(page, "OPENED", 10)
    probe = load_probe(str(copy))
    shown = contents.contents(probe, np.ones(11, bool), 1, 0)["images"]
    for i in set(range(len(probe))) - set(shown):
        (copy / "images" / probe.images[i]).write_bytes(b"not a picture")
    written = probe_page.write(tmp_path / "page.html", probe, pictures=1)
    assert f"{len(shown)} of 90 images; `probe check` opens all" in written.read_text(encoding="utf-8")
    (copy / "images" / probe.images[shown[0]]).write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=re.escape(probe.images[shown[0]])):
        probe_page.write(tmp_path / "other.html", probe, pictures=1)
    assert not (tmp_path / "other.html").exists()


def test_a_text_chooses_whose_pictures_are_shown(made, tmp_path):
    file = probe_page.write(tmp_path / "page.html", made.probe, find="RED")
    told = told_in(file.read_text(encoding="utf-8"))
    pictured = {name for name, rows in zip(told["concepts"]["name"], told["examples"], strict=True) if rows}
    assert pictured == {"red-c", "red square"} and told["find"] == "RED"
    assert told["concepts"] == made.told["concepts"] and len(told["images"]) < len(made.told["images"])
    with pytest.raises(BadInput, match="find 'sqare': no concept .* near matches: .*square"):
        probe_page.write(tmp_path / "other.html", made.probe, find="sqare")


def test_a_hostile_name_stays_text(made):
    assert HOSTILE in made.told["concepts"]["name"] and HOSTILE not in made.text and "<!--" not in made.text
    tags = [tag for tag, _ in Tags(made.text).opened]
    assert tags.count("script") == 3 and "img" not in tags


def test_the_script_never_reads_values_as_markup():
    script = "".join(document.asset(f"probe_page/{name}") for name in page.SCRIPTS)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|DOMParser", script)


def test_the_command_writes_the_same_page_and_says_its_size(made, tmp_path):
    done = CliRunner().invoke(app, ["probe", "show", str(made.probe.root), "--out", str(tmp_path / "page.html")])
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert done.exit_code == 0 and written == made.text
    assert done.stdout == f"{tmp_path / 'page.html'}: {len(made.text.encode()) / 1e6:.1f} MB\n"


def test_a_place_that_cannot_be_written_is_named_before_anything_is_read(made, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "contents", None)
    with pytest.raises(BadInput, match=re.escape(str(tmp_path))):
        probe_page.write(tmp_path, made.probe)


def test_many_concepts_have_fewer_pictures_and_shorter_masks_each(made, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "ALL_PICTURES", 22)  # two for each of the eleven concepts
    monkeypatch.setattr(examples, "ALL_PATHS", 22 * 60)
    told = told_in(probe_page.write(tmp_path / "page.html", made.probe).read_text(encoding="utf-8"))
    assert [len(rows) for rows in told["examples"]] == [2] * 11
    assert all(len(mask or "") <= 60 for rows in told["examples"] for _, _, mask in rows)


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (13, 18)).filter(np.any))
def test_a_mask_with_many_corners_is_drawn_coarser_and_keeps_its_area(mask):
    whole, short = pictures.path(mask), pictures.path_within(mask, 100)
    assert len(short) <= 100 and (short == whole) == (len(whole) <= 100)
    drawn = filled(short, mask.shape)
    assert drawn.any() and abs(int(drawn.sum()) - int(mask.sum())) <= 16**2


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (6, 7)))
def test_corners_are_those_of_the_path(mask):
    steps = [re.findall(r"[hv]", loop) for loop in pictures.path(mask).split("z")]
    turns = sum(len(ways) - (len(ways) > 1 and ways[0] == ways[-1]) for ways in steps)
    assert pictures._corners(mask) == turns


def test_coarse_pixels_are_the_fullest():
    mask = np.zeros((5, 6), bool)
    mask[0:2, 2:4] = mask[4, 0] = True
    mask[2, 4] = True
    coarse = pictures._coarse(mask, 2)
    assert (np.argwhere(coarse[::2, ::2]) == [[0, 1], [1, 2]]).all()  # six pixels: two blocks of four, rounded


def test_a_set_of_whole_images_has_no_masks(tmp_path):
    rng = np.random.default_rng(0)
    shown = (
        Labelled(f"made/{i}.png", rng.integers(0, 256, (32, 32, 3), np.uint8), {}, {"scene": [10 + i % 2]})
        for i in range(9)
    )
    write(tmp_path / "set", shown, handmade.NAMES)
    told = contents.contents(load_probe(str(tmp_path / "set")), np.ones(2, bool), 8, 0)
    assert told["concepts"]["whole"] == [5, 4] and {mask for rows in told["examples"] for _, _, mask in rows} == {None}
    assert told["strongest"] == told["weakest"] == []
