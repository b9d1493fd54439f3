"""The report of a layer: its contents against slow loops; pictures within their bytes; names that are no markup."""

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from markup import Tags, filled
from measured import NAMES, TAU, activations, annotated, network, scenes
from PIL import Image

from n2vlib import probe_page, released_units, report
from n2vlib.activations.layer import read_layers
from n2vlib.analysis import top_images
from n2vlib.cli.options import networks_in
from n2vlib.compositional import formula
from n2vlib.compositional.explain import COMPEXP
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.pages import document, pictures
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.report import contents, examples, page, parts, writing
from n2vlib.report.about import _sure
from n2vlib.report.measured import measure
from n2vlib.significance import chance, names
from n2vlib.store import Store
from n2vlib.words import describer

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
ABOUT = {"network": HOSTILE, "layer": "conv5", "probe": HOSTILE, "images": 60, "tau": TAU, "rows": [["probe", HOSTILE]]}
METHODS = {"combination", "single filter"}
LAYER = "3"  # its first filter is dead


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small layer measured: (Measured, contents, store)."""
    folder = tmp_path_factory.mktemp("report")
    write(folder / "probe", scenes(60), {**NAMES, 3: HOSTILE})
    probe, store = load_probe(str(folder / "probe")), Store(str(folder / "store"))
    layer = read_layers(network(), [LAYER], probe, tau=TAU, tau_max=max(TAU, 0.01), device="cpu", store=store)[LAYER]
    found = measure(layer, probe, epochs=3, seed=0)
    return found, contents.contents(found), store


@settings(max_examples=80, deadline=None)
@given(arrays(bool, (6, 9)))
def test_a_path_encloses_the_mask(mask):
    assert (filled(pictures.path(mask), mask.shape) == mask).all()


def test_floors_stand_beside_the_set_iou_of_every_concept(made):
    found, told, _ = made
    concepts, truth = told["concepts"], annotated(found.probe)
    splits, numbers = found.probe.split, found.probe.concepts.index
    for c in range(len(numbers)):
        held = truth[:, c].any((1, 2))
        asked = found.probe.concepts["segmentable"].iloc[c] and (held & (splits == "train")).any()
        share = truth[held & (splits == "val"), c].mean() if asked and (held & (splits == "val")).any() else None
        assert concepts["everything"][c] == (share and pytest.approx(share, rel=5e-3))
        assert (concepts["place"][c] is None) == (concepts["two"][c] is None) == (share is None)
        assert concepts["few"][c] == ((held & (splits == "train")).sum() < 30)


def test_a_filters_images_are_those_of_its_largest_activations_with_the_masks_it_is_dissected_by(made):
    found, told, _ = made
    layer, probe = found.layer, found.probe
    dense = activations(probe, LAYER).astype(np.float64)
    windows = [(int(w.offset), int(w.size), int(w.step)) for w in layer.windows]
    maps = oracles.anchored_spline(dense, probe.label_size, windows, layer.input_size)
    differing, pixels = 0, 0
    for k, entries in enumerate(told["filters"]["top"]):
        largest = dense[:, k].max((1, 2))
        order = sorted(range(len(probe)), key=lambda i: (-largest[i], i))
        fires = [i for i in order if largest[i] > layer.thresholds[k]]
        assert [entry[0] for entry in entries] == fires[: examples.TOP]
        for image, value, path, _shows in entries:
            assert value == pytest.approx(largest[image], rel=5e-3)
            differing += (filled(path, probe.label_size) != (maps[image, k] > layer.thresholds[k])).sum()
            pixels += filled(path, probe.label_size).sum()
    assert pixels > 0 and differing <= 0.002 * pixels  # T_k itself is a value: rounding moves a place here and there
    assert told["filters"]["top"][0] == []


def test_the_concept_that_an_image_is_said_to_show_is_annotated_in_it(made):
    found, told, _ = made
    truth = annotated(found.probe).any((2, 3))
    for k, entries in enumerate(told["filters"]["top"]):
        for image, _value, _path, shows in entries:
            assert shows == truth[image, told["filters"]["concept"][k]]


def test_lists_of_ious_are_those_of_slow_loops(made):
    found, told, _ = made
    probe, layer = found.probe, found.layer
    dense, truth, val = activations(probe, LAYER), annotated(probe), probe.split == "val"
    drawn = [c for c, kind in enumerate(probe.concepts["category"]) if kind in ("color", "object", "part")]
    for c in drawn:
        iou = {}
        for split in ("train", "val"):
            held = (probe.split == split) & truth[:, c].any((1, 2))
            iou[split] = oracles.single_filter_set_iou(dense[held], layer.thresholds, truth[held, c], True)
        listed = told["concepts"]["segmentation"][c]
        assert [row[1] for row in listed] == sorted((row[1] for row in listed), reverse=True) and listed
        for k, train, value in listed:
            assert (train, value) == pytest.approx((iou["train"][k], iou["val"][k]), rel=5e-3, abs=1e-9)
        assert listed[0][1] == pytest.approx(iou["train"].max(), rel=5e-3)
        assert told["concepts"]["val"][c] == (val & truth[:, c].any((1, 2))).sum()


def test_a_concept_and_a_filter_list_the_same_iou_for_each_other(made):
    _, told, _ = made
    of_concepts = {(k, c): iou for c, rows in enumerate(told["concepts"]["best"]) for k, iou in rows}
    of_filters = {(k, c): iou for k, rows in enumerate(told["filters"]["serves"]) for c, iou, _ in rows}
    assert of_concepts == of_filters  # fewer than ten of either: every pair with an overlap is in both
    for k, (c, iou) in enumerate(zip(told["filters"]["concept"], told["filters"]["iou"], strict=True)):
        assert c is None if iou == 0 else told["filters"]["serves"][k][0][:2] == [c, iou]
    assert told["filters"]["concept"][0] is None


def test_users_of_a_filter_are_the_concepts_whose_unit_weights_are_largest_there(made):
    found, told, _ = made
    for task, alignment in found.learned.items():
        weights = {found.places[number]: row for number, row in zip(*_rows(alignment.weights), strict=True)}
        for k, rows in enumerate(told["users"][task]):
            share = {c: row[k] / np.sqrt((row**2).sum()) for c, row in weights.items()}
            most = sorted(share, key=lambda c: -abs(share[c]))[: contents.RANKED]
            assert [row[0] for row in rows] == most
            for c, used, rank in rows:
                assert used == pytest.approx(share[c], rel=5e-3)
                assert rank == 1 + sum(abs(w) > abs(weights[c][k]) for w in weights[c])


def test_weights_come_back_from_their_bytes(made):
    found, told, _ = made
    for task, alignment in found.learned.items():
        for number, row in zip(*_rows(alignment.weights), strict=True):
            kept = told["weights"][task][found.places[number]]
            levels = np.frombuffer(base64.b64decode(kept["all"]), np.int8)
            np.testing.assert_allclose(levels / 127 * np.abs(row).max(), row, atol=np.abs(row).max() / 254 * 1.01)
            assert kept["largest"] == pytest.approx(np.abs(row).max(), rel=5e-3)
            assert kept["top"][0][0] == np.abs(row).argmax()


def test_nearest_concepts_have_the_largest_cosines(made):
    found, told, _ = made
    numbers, rows = _rows(found.learned["segmentation"].weights)
    for c, row in zip(numbers, rows, strict=True):
        cosines = {n: row @ r / np.sqrt((row @ row) * (r @ r)) for n, r in zip(numbers, rows, strict=True) if n != c}
        nearest = sorted(cosines, key=lambda n: -cosines[n])[: contents.RANKED]
        listed = told["near"]["segmentation"][found.places[c]]
        assert [place for place, _ in listed] == [found.places[n] for n in nearest]


def test_an_example_has_the_iou_of_its_two_masks_and_stands_where_its_decile_says(made):
    found, told, _ = made
    size, shown = found.probe.label_size, 0
    for place, each in told["deciles"].items():
        for method in METHODS & each.keys():
            rows = each[method]["pictures"]
            known = each["images"] - each[method]["zero"]
            assert [row[1] for row in rows] == sorted(row[1] for row in rows) and len(rows) == min(known, 10)
            for _decile, iou, image, truth, mask in rows:
                truth, mask, shown = filled(truth, size), filled(mask, size), shown + 1
                assert (truth == found.probe.annotated(int(found.probe.concepts.index[place]), image)).all()
                assert iou == pytest.approx((truth & mask).sum() / (truth | mask).sum(), rel=5e-3)
            assert not rows or rows[-1][0] == 1
    assert shown > 20


def test_concepts_with_few_images_go_without_examples_where_there_are_too_many(made, monkeypatch):
    found, told, _ = made
    monkeypatch.setattr(examples, "MOST_EXAMPLES", 60)
    fewer = examples.by_decile(found)
    kept = {c for c, each in fewer.items() if all("pictures" in each[m] for m in METHODS & each.keys())}
    assert sum(len(fewer[c][m]["pictures"]) for c in kept for m in METHODS & fewer[c].keys()) <= 60
    assert 0 < len(kept) < len(fewer) and fewer.keys() == told["deciles"].keys()
    assert min(fewer[c]["images"] for c in kept) >= max(fewer[c]["images"] for c in fewer.keys() - kept)


def test_the_units_are_those_of_the_released_format(made, tmp_path):
    found, told, _ = made
    (tmp_path / "units.csv").write_text(told["units"], encoding="utf-8")
    table = released_units.read(tmp_path / "units.csv").drop_duplicates("unit").set_index("unit")["score"].sort_index()
    np.testing.assert_allclose(table, told["filters"]["iou"], rtol=5e-3)


def test_slugs_differ_and_are_words():
    names = ["tree", "Tree", "tree 7", "", "日本", HOSTILE]
    found = document.slugs(names, [5, 7, 8, 9, 10, 11])
    assert len(set(found)) == len(names) and all(re.fullmatch(r"[a-z0-9-]+", slug) for slug in found)
    assert found[0] == "tree"


@pytest.mark.parametrize("most", [6000, 1500, 400, 120])
def test_a_picture_has_at_most_the_bytes_it_may(most):
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    data = pictures.thumbnail(noise, most)
    with Image.open(io.BytesIO(data)) as opened:
        assert len(data) <= most and max(opened.size) <= pictures.SIDE and opened.format == "WEBP"
        assert opened.width / opened.height == pytest.approx(4 / 3, rel=0.05)


def test_all_pictures_together_have_at_most_the_bytes_they_may(made):
    found = pictures.thumbnails(made[0].probe, [3, 1, 3, *range(40)], total=20_000)
    assert sum(map(len, found.values())) <= 20_000 and list(found) == list(range(40))


def inside(text: str) -> dict:
    """The parts in a page, by name."""
    kept = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', text, re.DOTALL)
    return {name: json.loads(value) for name, value in kept}


def test_a_hostile_name_stays_text(made):
    _, told, _ = made
    assert HOSTILE in told["concepts"]["name"]
    text = page.html([parts.Sheet(ABOUT, told)], {})
    found = Tags(text)
    tags = [tag for tag, _ in found.opened]
    kept = inside(text)
    assert tags.count("script") == len(kept) + 1 and "img" not in tags and HOSTILE not in text and "<!--" not in text
    assert kept["contents"]["concepts"]["name"] == told["concepts"]["name"]


def test_the_policy_allows_our_script_and_style_and_nothing_else(made):
    text = page.html([parts.Sheet(ABOUT, made[1])], {})
    policy = next(attrs["content"] for _, attrs in Tags(text).opened if attrs.get("http-equiv"))
    for tag in ("script", "style"):
        (own,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "http" not in policy and "unsafe" not in policy


def test_the_script_never_reads_values_as_markup():
    own = [f"report/{name}" for name in page.SCRIPTS] + [f"pages/{name}" for name in document.SCRIPTS]
    script = "".join(map(document.asset, own))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|DOMParser", script)


def test_two_reports_of_one_layer_are_the_same_bytes(made, tmp_path):
    found, _, store = made
    told = [
        report.write(tmp_path / name, network(), LAYER, found.probe, tau=TAU, epochs=3, device="cpu", store=store)
        for name in ("one.html", "deep/two.html")
    ]
    assert told[0].read_bytes() == told[1].read_bytes()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["one.html", "two.html"]


def test_the_probe_sets_page_is_linked_where_it_lies_beside_and_no_other(made, tmp_path):
    probe = made[0].probe
    assert writing._probe_page(tmp_path, probe, "") == ""
    beside = probe_page.write(tmp_path / probe_page.file_name(probe), probe, pictures=1)
    assert writing._probe_page(tmp_path, probe, "../") == "../probe-probe.html"
    beside.write_text(beside.read_text(encoding="utf-8").replace(probe.fingerprint[:12], "0" * 12), encoding="utf-8")
    assert writing._probe_page(tmp_path, probe, "../") == ""


def test_a_probe_set_without_any_mask_is_reported_too(tmp_path):
    rng = np.random.default_rng(0)
    whole = ({"scene": [8 + i % 2]} for i in range(40))
    drawn = (
        Labelled(f"made/{i:03}.png", rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), {}, each)
        for i, each in enumerate(whole)
    )
    write(tmp_path / "probe", drawn, NAMES)
    probe, store = load_probe(str(tmp_path / "probe")), Store(str(tmp_path / "store"))
    file = report.write(tmp_path / "page.html", network(), LAYER, probe, tau=TAU, epochs=2, device="cpu", store=store)
    kept = inside(file.read_text())
    for each in kept["layer-0-concepts-0"]:
        assert list(each["weights"]) == ["classification"] and each["deciles"] is None
    assert kept["layer-0"]["concepts"]["combined"] == [None, None]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "conv9"}, "layer 'conv9'"),
        ({"tau": 1.5}, "TAU"),
        ({"epochs": 0}, "EPOCHS"),
        ({"seed": -1}, "SEED"),
        ({"device": "tpu"}, "DEVICE"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_written(made, tmp_path, options, words):
    told = {"layer": LAYER, "tau": TAU, "epochs": 3, "device": "cpu", "store": made[2], **options}
    with pytest.raises(BadInput, match=words):
        report.write(tmp_path / "new" / "page.html", network(), told.pop("layer"), made[0].probe, **told)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(made, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "page.html"):
        with pytest.raises(BadInput, match=re.escape(str(out))):
            report.write(out, network(), LAYER, made[0].probe, tau=TAU, store=made[2])


def test_what_fails_half_way_leaves_no_file(made, tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadInput, match="page.html: .*No space"):
        report.write(
            tmp_path / "page.html", network(), LAYER, made[0].probe, tau=TAU, epochs=3, device="cpu", store=made[2]
        )
    assert list(tmp_path.iterdir()) == []


def _rows(weights) -> tuple[list[int], np.ndarray]:
    return [int(number) for number in weights.index], weights.to_numpy(float)


def test_every_name_says_how_sure_it_is(made):
    found, values, _ = made
    rows = names.how_sure(found.layer, found.probe)
    for column in ("margin", "again", "chance", "q"):
        np.testing.assert_allclose(values["filters"][column], rows[column], rtol=5e-3)
    assert values["filters"]["sure"] == rows["sure"].tolist()


def test_a_formula_and_a_concept_have_the_ious_of_their_masks(made):
    found, values, _ = made
    layer, probe, told = found.layer, found.probe, values["filters"]
    truth = annotated(probe).astype(bool)
    shown = {name: truth[:, c] for c, name in enumerate(probe.concepts["name"]) if truth[:, c].any()}
    for k in range(layer.n_filters):
        maps = top_images.stored_maps(layer, k, range(len(probe)))
        fires = dissection.mask(layer, probe, maps, k, convention=COMPEXP)
        ious = {name: (fires & mask).sum() / max((fires | mask).sum(), 1) for name, mask in shown.items()}
        assert told["one_iou"][k] == pytest.approx(max(ious.values()), rel=5e-3)
        if told["formula"][k]:
            holds = formula.parse(told["formula"][k]).truth(shown)
            assert told["formula_iou"][k] == pytest.approx((fires & holds).sum() / (fires | holds).sum(), rel=5e-3)
            assert told["formula_iou"][k] >= told["one_iou"][k] and 0 <= told["held_out_iou"][k] <= 1
    assert any(" OR " in text or " AND " in text for text in told["formula"])


def test_a_description_is_the_describers_and_a_dead_filter_has_none(made):
    found, told, store = made
    texts = describer.described(found.layer, found.probe, store)["description"].tolist()
    assert (found.layer.state == "dead").tolist()[0] and told["filters"]["description"] == ["", *texts[1:]]
    assert all(texts)


@pytest.mark.parametrize("n_filters", [4, 128, 20_000])
def test_as_many_names_as_the_page_says_must_reach_the_smallest_p_for_any_to_be_sure(n_filters):
    (fewest,) = re.findall(r"so here (\d+) names", _sure(n_filters))
    for reached in (int(fewest), int(fewest) - 1):
        p = np.ones(n_filters)
        p[:reached] = 1 / (chance.PERMUTATIONS + 1)
        assert (chance.adjusted(p) <= chance.RATE).sum() == reached * (reached == int(fewest))


def test_parts_together_are_the_contents(made):
    _, told, _ = made
    sheet = parts.Sheet(ABOUT, json.loads(json.dumps(told)))  # as the store keeps it
    found, index = dict(parts.of_layer(0, sheet)), parts.index([sheet, sheet], folder=True)
    listed = [entry for i in range(9) for entry in found.get(f"layer-0-filters-{i}", [])]
    iou = told["filters"]["iou"]
    order = parts.by_iou(iou)
    assert [iou[k] for k in order] == sorted(iou, reverse=True) and sorted(order) == list(range(len(iou)))
    assert [entry["top"] for entry in listed] == [_lists(told["filters"]["top"][k]) for k in order]
    for task, users in told["users"].items():
        assert [entry["users"][task] for entry in listed] == [_lists(users[k]) for k in order]
    each = [entry for i in range(9) for entry in found.get(f"layer-0-concepts-{i}", [])]
    for what in ("weights", "near"):
        for task, of_task in told[what].items():
            assert {c: entry[what][task] for c, entry in enumerate(each) if task in entry[what]} == _lists(of_task)
    assert {c: entry["deciles"] for c, entry in enumerate(each) if entry["deciles"]} == _lists(told["deciles"])
    for name in ("filters", "concepts"):
        known = index["layers"][0] | index["concepts"] | found["layer-0"][name]
        assert {key: known[key] for key in told[name] if key not in ("top", "serves")} == {
            key: values for key, values in _lists(told[name]).items() if key not in ("top", "serves")
        }
    assert index["layers"][0]["slug"] != index["layers"][1]["slug"]


def _lists(value):
    """As JSON has it, but with numbers as keys where they are numbers."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, list | tuple) else value


def _several(found, store, out, **options):
    reads = [report.Read(network(), ["1", LAYER]), report.Read(network(), [LAYER], label="again")]
    return report.write_layers(out, reads, found.probe, tau=TAU, epochs=3, device="cpu", store=store, **options)


def test_a_folder_has_every_part_and_picture_and_is_replaced_as_a_whole(made, tmp_path):
    found, told, store = made
    page_of = _several(found, store, tmp_path / "all")
    kept, data = inside(page_of.read_text()), tmp_path / "all" / "data"
    assert [each["network"] for each in kept["contents"]["layers"]] == ["random", "random", "again"]
    asked = re.compile(r'part\("([\w-]+)", (.*)\);\n', re.DOTALL)
    values = {
        name: json.loads(value) for name, value in (asked.fullmatch(f.read_text()).groups() for f in data.iterdir())
    }
    assert {f"{name}.js" for name in values} == {file.name for file in data.iterdir()}
    assert values["layer-1-filters-0"] == values["layer-2-filters-0"] != values["layer-0-filters-0"]
    assert values["layer-1-units"] == told["units"]
    shown = {int(file.stem) for file in (tmp_path / "all" / "pictures").iterdir()}
    assert shown >= set(told["images"]) and all(HOSTILE not in f.read_text() for f in data.iterdir())
    (data / "old.js").write_text("")
    assert _several(found, store, tmp_path / "all") == page_of and not (data / "old.js").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["all"]


def test_a_folder_with_other_files_is_left_alone(made, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(BadInput, match="holds other files, for instance 'thesis.tex'"):
        _several(made[0], made[2], tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_size_of_a_single_file_is_said_before_it_is_written(made, tmp_path):
    out, said = tmp_path / "all.html", []
    _several(made[0], made[2], out, single_file=True, say=lambda words: said.append((words, out.exists())))
    (words, there), size = said[0], out.stat().st_size
    assert f"one file of {size / 1e6:.1f} MB" in words and not there and len(said) == 1


def test_a_layer_given_twice_is_named(made, tmp_path):
    twice = [report.Read(network(), [LAYER]), report.Read(network(), [LAYER])]
    with pytest.raises(BadInput, match=f"layer '{LAYER}' of random is given twice"):
        report.write_layers(tmp_path / "all", twice, made[0].probe, tau=TAU, store=made[2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("small-vgg=conv4_3, conv3_3", [("small-vgg", "conv4_3"), ("small-vgg", "conv3_3")]),
        ("zoo/captions", [("small-resnet-captions", "conv4_x"), ("small-resnet", "conv4_x")]),
    ],
)
def test_networks_on_the_command_line_are_pairs_or_the_name_of_a_list(text, rows):
    assert [(row["network"], row["layer"]) for row in networks_in("--also", text)] == rows


@pytest.mark.parametrize("text", ["=conv5", "small-vgg=", "small-vgg", "zoo/none"])
def test_networks_that_cannot_be_read_are_named(text):
    with pytest.raises(BadInput, match="--also|no list of networks"):
        networks_in("--also", text)
