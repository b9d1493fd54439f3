"""The generator of drawn scenes: edits against a loop, and a decoder made by hand whose units draw known things."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.generator import causal, control, dissect, drawing, edits, effect, scenes, segmenting, sources
from n2vlib.generator.edits import Edit
from n2vlib.generator.segmenting import NOTHING, errors, labels
from n2vlib.networks.fingerprint import fingerprint
from n2vlib.store import Store
from n2vlib.zoo import shipped
from n2vlib.zoo.others import GENERATORS, SEGMENTERS

# Unit k of 8 draws THINGS[k] at a cell of its own; the last four copy nothing: they are active and draw nothing.
THINGS = {"tree": (-0.8, 0.6, -0.8), "boat": (0.9, -0.7, -0.7), "sea": (-0.8, -0.6, 0.9), "sand": (0.9, 0.7, -0.5)}
CELLS = [(0, 1), (1, 2), (3, 0), (2, 3)]
GRID, SIDE, UNITS = 4, 16, 8


class Painter(nn.Module):
    """Code k above 0: unit k is on at its cell, and its thing is there."""

    def __init__(self):
        super().__init__()
        self.units = nn.Identity()

    def forward(self, codes: Tensor) -> Tensor:
        maps = torch.zeros(len(codes), UNITS, GRID, GRID)
        for k in range(UNITS):
            row, column = CELLS[k % 4]
            maps[:, k, row, column] = (codes[:, k] > 0).float()
        maps = self.units(maps)
        paint = torch.tensor([*THINGS.values()])
        pixels = torch.einsum("iuhw,uc->ichw", maps[:, :4], paint)
        return F.interpolate(pixels, scale_factor=SIDE // GRID).clamp(-1, 1)


class Judge(nn.Module):
    """The class whose paint is nearest; grey is none of them."""

    def forward(self, pixels: Tensor) -> Tensor:
        paints = torch.tensor([(0.0, 0.0, 0.0), *THINGS.values()])
        return -4 * ((pixels[:, None] - paints[None, :, :, None, None]) ** 2).sum(2)


def painter():
    return Painter(), UNITS


def judge():
    return Judge(), [NOTHING, *THINGS]


@pytest.fixture
def planted() -> tuple[sources.Generator, sources.Segmenter, dissect.Dissection]:
    generator = sources.load_generator(f"{__file__}:painter")
    segmenter = sources.load_segmenter(f"{__file__}:judge")
    sources.fitting(generator, segmenter)
    # A unit is on at one of 16 cells in half of the pictures: a level between 0 and 1 needs tau above 1/32.
    return generator, segmenter, dissect.dissect(generator, segmenter, "units", 64, seed=3, tau=0.2)


def test_an_edit_is_the_rule_at_every_unit_and_cell():
    rng = np.random.default_rng(0)
    x, alpha, value = (torch.from_numpy(rng.random((2, 3, 4, 5))) for _ in range(3))
    by_hand = torch.zeros_like(x)
    for at in np.ndindex(x.shape):
        by_hand[at] = x[at] * (1 - alpha[at]) + value[at] * alpha[at]
    assert torch.allclose(edits.edited(x, Edit(alpha, value)), by_hand)
    per_unit = edits.edited(x, Edit(alpha[0, :, 0, 0], value[0, :, 0, 0]))
    for i, u, r, c in np.ndindex(x.shape):
        a, v = alpha[0, u, 0, 0], value[0, u, 0, 0]
        assert per_unit[i, u, r, c] == x[i, u, r, c] * (1 - a) + v * a


def test_edits_at_chosen_cells_leave_the_others_alone_and_hooks_go_away(planted):
    generator, _, found = planted
    cells = np.zeros((GRID, GRID), bool)
    cells[0, 1] = True
    edit = edits.at_cells(edits.of_units(UNITS, [0, 1], 1.0), cells)
    pixels = edits.draw(generator, found.codes, "units", edit)
    before = found.pictures.pixels
    assert torch.equal(pixels[:, :, 4:], before[:, :, 4:]) and torch.equal(pixels[:, :, :, :4], before[:, :, :, :4])
    both = torch.tensor([*THINGS.values()])[:2].sum(0).clamp(-1, 1)
    assert torch.allclose(pixels[:, :, 0, 4], both.expand(len(pixels), 3))
    assert torch.equal(edits.draw(generator, found.codes), before)
    with pytest.raises(RuntimeError), edits.editing(generator.module, "units", Edit(torch.zeros(3), torch.zeros(3))):
        generator.module(found.codes)
    assert torch.equal(edits.draw(generator, found.codes), before)


def test_planted_units_are_dissected_as_a_loop_does_it(planted):
    _, _, found = planted
    best = found.best
    assert best["class"].tolist()[:4] == [*THINGS] and (best["class IoU"].to_numpy(float)[:4] > 0.2).all()
    for unit, word in ((0, "tree"), (3, "sea"), (2, "green")):
        large = F.interpolate(found.maps[:, [unit]], size=(SIDE, SIDE), mode="bilinear")[:, 0].numpy()
        fired, shown = large > np.quantile(large, 0.8), found.pictures.where(word)
        iou = (fired & shown).sum() / max((fired | shown).sum(), 1)
        mine = found.table.query("unit == @unit and word == @word")["IoU"].item()
        assert mine == pytest.approx(iou, abs=1e-6)
    assert found.detectors["tree"][0] == 0
    words = pd.Series(dissect.stand_in(found)["description"])
    assert 1 in control.units_of("boat", words)


def test_a_unit_that_never_changes_has_no_mask():
    assert not dissect.masks_of(torch.ones(3, 2, 4, 4), (8, 8), 0.01).any()


def test_colors_are_those_of_the_nearest_paint():
    rng = np.random.default_rng(0)
    colors = rng.uniform(0, 255, (5, 7, 3)).astype(np.float32)
    for at in np.ndindex(5, 7):
        apart = {
            name: min(np.sum((np.array(s) - colors[at]) ** 2) for s in shades)
            for name, shades in dissect.SHADES.items()
        }
        assert dissect.COLORS[dissect.nearest_paint(colors)[at]] == min(apart, key=apart.__getitem__)


def test_planted_words_are_controlled_by_their_units_and_by_no_others(planted, tmp_path):
    generator, segmenter, found = planted
    words = pd.Series(["a tree", "boat", "the sea", "sand", "", "", "street", "seaside"], range(UNITS))
    with pytest.raises(BadInput, match="no description has a class of the segmenter or a color"):
        control.controlled(found, words.replace({"a tree": "", "boat": "boats", "the sea": "", "sand": ""}))
    units = control.controlled(found, words)
    assert units == {"tree": [0], "boat": [1], "sea": [2], "sand": [3]}
    store = Store(str(tmp_path))
    done = control.control(generator, segmenter, found, units, images=40, store=store, seed=1)
    table = control.changes(done).set_index(["word", "way"])
    new = generator.draw(40, 2)  # of seed + 1: no picture that gave a unit its word
    assert torch.equal(done.others.codes, new) and not (new[:, None] == found.codes[None]).all(2).any()
    for unit, word in enumerate(THINGS):
        on = (new[:, unit] > 0).numpy()
        assert table.loc[(word, "cut"), "own"] == pytest.approx(-on.mean() / 16)
        assert table.loc[(word, "cut"), "before"] == pytest.approx(on.mean() / 16)
        # Raised everywhere to a quantile that is above 0 or not: the picture is full of the thing, or as before.
        assert table.loc[(word, "raised"), "own"] >= 0
    assert table.loc[table.index.get_level_values("way") == "cut", "high"].max() < 0
    again = control.control(generator, segmenter, found, units, images=40, store=store, seed=1)
    assert np.array_equal(again.after, done.after)
    both = control.overall(done).set_index("way")
    assert both.loc["cut", "own"] > 0 and both.loc["cut", "low"] <= both.loc["cut", "extra"] <= both.loc["cut", "high"]
    after = control.redrawn(generator, segmenter, found, control.edit_for(found, [0], "cut"))
    changed = (after.pixels != found.pictures.pixels).any(1).numpy()
    assert (changed == found.pictures.where("tree")).all()


def test_words_of_several_words_are_whole_and_their_case_does_not_matter():
    texts = pd.Series(["a red traffic light", "light traffic", "Traffic-Light", "traffic lights", "", None], range(6))
    assert control.units_of("traffic light", texts) == control.units_of("Traffic_light", texts) == [0, 2]
    assert control.units_of("light", texts) == [0, 1, 2]
    assert control.units_of("?", texts) == []


def test_a_class_with_the_name_of_a_color_is_measured_once_as_the_class(planted):
    generator, segmenter, found = planted
    fruit = replace(segmenter, classes=[NOTHING, "Orange", "boat", "sea", "green"])
    new = dissect.dissect(generator, fruit, "units", 64, seed=3, tau=0.2)
    assert new.pictures.words[:4] == fruit.classes[1:]
    assert new.pictures.words[4:] == [name for name in dissect.COLORS if name not in ("orange", "green")]
    rows = new.table.query("word == 'green'")
    assert rows["unit"].is_unique and set(rows["kind"]) == {"class"}
    assert rows["IoU"].tolist() == found.table.query("word == 'sand'")["IoU"].tolist()
    assert new.best.shape == found.best.shape


def test_codes_level_and_answers_are_in_the_key(planted, tmp_path):
    generator, segmenter, found = planted
    other = replace(found, codes=found.codes.flip(0))  # the same number and sum
    assert other.key != found.key != replace(found, tau=0.1).key
    assert dissect.dissect(generator, segmenter, "units", 64, seed=3, tau=0.2).key == found.key
    source = """
import torch
from torch import nn
def shade(x):
    return x
class Paints(nn.Module):
    def forward(self, codes):
        return shade(codes.tanh()[:, :3, None, None].expand(-1, 3, 8, 8))
class Sees(nn.Module):
    def forward(self, pixels):
        return shade(torch.cat([pixels, 0 * pixels[:, :2]], 1))
def paints():
    return Paints(), 5
def sees():
    return Sees(), list("abcde")
"""
    generators, segmenters = [], []
    for name, code in {"a": source, "b": source, "c": source.replace("return x", "return x * 0.9")}.items():
        (tmp_path / f"{name}.py").write_text(code)
        generators.append(sources.load_generator(f"{tmp_path}/{name}.py:paints"))
        segmenters.append(sources.load_segmenter(f"{tmp_path}/{name}.py:sees"))
    assert fingerprint(generators[0].module) == fingerprint(generators[2].module)
    first = sources.identity(generators[0], segmenters[0])
    assert first == sources.identity(generators[1], segmenters[1])
    assert first["generator"] != sources.identity(generators[2], segmenters[0])["generator"]
    seen = sources.identity(generators[0], segmenters[2])
    assert first["generator"] == seen["generator"] and first["segmenter"] != seen["segmenter"]


def test_random_units_have_the_nearest_means_and_are_no_units_of_the_word():
    means = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert control.matched(means, [3], rng, among=2) in ([4], [5])
        chosen = control.matched(means, [0, 3], rng, among=1)
        assert sorted(chosen) == [1, 4]
    assert control.matched(means, [*range(7)], np.random.default_rng(0)) == []


def test_the_causal_effect_of_planted_units_is_recovered(planted):
    generator, segmenter, found = planted
    for name in ("tree", "sea"):
        unit = [*THINGS].index(name)
        pairs = effect.pairs_of(found, name)
        there = found.pictures.where(name)
        for i, at, j, into in zip(pairs.shows, pairs.at, pairs.lacks, pairs.into, strict=True):
            where = [slice(4 * at[0], 4 * at[0] + 4), slice(4 * at[1], 4 * at[1] + 4)]
            assert there[i][tuple(where)].all()
            assert not there[j][4 * into[0] : 4 * into[0] + 4, 4 * into[1] : 4 * into[1] + 4].any()
        alpha = effect.learned(generator, segmenter, found, name, pairs, steps=40, rate=0.05)
        assert alpha.argmax() == unit and alpha[unit] > 0.6
        table = effect.effect(generator, segmenter, found, name, [unit], pairs).to_numpy(float).T
        before, left, appears, _, removal, _ = table
        assert (before == 1).all() and (left == 0).all() and (appears == 1).all() and (removal == 1).all()
        other = effect.effect(generator, segmenter, found, name, [7], pairs)
        assert not other[["removal", "appears"]].to_numpy().any()


class Wandering(Painter):
    """Its things are where the first code says, so that they are shown and lacked at many cells."""

    def forward(self, codes: Tensor) -> Tensor:
        maps = torch.zeros(len(codes), UNITS, GRID, GRID)
        cell = (codes[:, 7].abs() * 7).long() % 16
        for k in range(4):
            at = (cell + 4 * k) % 16
            maps[range(len(codes)), k, at // 4, at % 4] = (codes[:, k] > 0).float()
        maps = self.units(maps)
        pixels = torch.einsum("iuhw,uc->ichw", maps[:, :4], torch.tensor([*THINGS.values()]))
        return F.interpolate(pixels, scale_factor=SIDE // GRID).clamp(-1, 1)


def test_the_released_program_reads_the_inserted_thing_where_it_was_not_put(planted):
    segmenter = planted[1]
    generator = replace(planted[0], module=Wandering().eval())
    found = dissect.dissect(generator, segmenter, "units", 64, seed=3, tau=0.2)
    pairs = effect.pairs_of(found, "boat")
    apart = (pairs.at != pairs.into).any(1)
    assert apart.sum() > 5
    table = effect.effect(generator, segmenter, found, "boat", [1], pairs)
    appears, released = table["appears"].to_numpy(), table["released"].to_numpy()
    things, there = found.pictures.things, found.pictures.where("boat")
    corner = 4 * pairs.into
    free = things[pairs.lacks, corner[:, 0], corner[:, 1]] == 0  # elsewhere two things mix
    assert (appears[free] == 1).all()
    for p in np.flatnonzero(apart):
        row, column = 4 * pairs.at[p]
        assert released[p] == there[pairs.lacks[p], row, column]
    assert released.mean() < 0.7
    nothing = effect.effect(generator, segmenter, found, "boat", [], pairs)
    assert not nothing[["removal", "appears"]].to_numpy().any()
    # Learned as released, the inserted term says nothing of the unit; removal alone still finds it.
    alpha = effect.learned(generator, segmenter, found, "boat", pairs, steps=30, released=True)
    assert alpha.argmax() == 1


def test_a_class_that_is_hardly_shown_is_one_line(planted):
    _, _, found = planted
    none = replace(found.pictures, things=np.zeros_like(found.pictures.things))
    with pytest.raises(BadInput, match="boat: 0 of 64 pictures show it"):
        effect.pairs_of(replace(found, pictures=none), "boat")


# ---- bad input ----

BAD = {
    "nothing": "def f(): return 3",
    "fails": "def f(): raise ValueError('no')",
    "draw": "from torch import nn\ndef f(): return nn.Identity(), 'x'",
    "shape": "from torch import nn\ndef f(): return nn.Identity(), 5",
    "range": "import torch\nfrom torch import nn\n"
    "class M(nn.Module):\n def forward(self, z): return 9 + torch.zeros(len(z), 3, 8, 8)\ndef f(): return M(), 5",
    "names": "from torch import nn\ndef f(): return nn.Identity(), ['a', 'a']",
}


@pytest.mark.parametrize(
    ("load", "file", "says"),
    [
        (sources.load_generator, "nothing", "must return \\(module, draw\\)"),
        (sources.load_generator, "fails", "called without arguments, it fails"),
        (sources.load_generator, "draw", "draw must be a function"),
        (sources.load_generator, "shape", "must give pixels"),
        (sources.load_generator, "range", "must lie in -1 .. 1"),
        (sources.load_segmenter, "nothing", "must return \\(module, classes\\)"),
        (sources.load_segmenter, "names", "different names"),
    ],
)
def test_what_a_function_returns_wrongly_is_one_line(tmp_path, load, file, says):
    path = tmp_path / "mine.py"
    path.write_text(BAD[file])
    with pytest.raises(BadInput, match=f"^(GENERATOR|SEGMENTER) .*mine.py.*{says}") as caught:
        load(f"{path}:f")
    assert "\n" not in str(caught.value)


def test_unknown_names_files_layers_and_shapes_that_do_not_fit_are_one_line(planted, tmp_path):
    generator, segmenter, _ = planted
    with pytest.raises(BadInput, match="GENERATOR 'small-gen': is not in the zoo; near matches: small-generator"):
        sources.load_generator("small-gen")
    with pytest.raises(BadInput, match="SEGMENTER 'small': is not in the zoo"):
        sources.load_segmenter("small")
    with pytest.raises(BadInput, match="SEGMENTER .*no file"):
        sources.load_segmenter(f"{tmp_path}/none.py:f")
    with pytest.raises(BadInput, match="UNITS_OF 'unit': .* has no such grid; near matches: units"):
        sources.need_layer(generator, "unit")
    with pytest.raises(BadInput, match="SEGMENTER .*: gives \\(2, 5, 16, 16\\) for 2 pictures and 2 classes"):
        sources.fitting(generator, replace(segmenter, classes=[NOTHING, "tree"]))
    with pytest.raises(BadInput, match="SEGMENTER .*: fails on pictures \\(2, 3, 16, 16\\)"):
        sources.fitting(generator, replace(segmenter, module=nn.Linear(5, 5)))


# ---- scenes, the segmenter's error ----


def test_scenes_are_those_of_the_world_halved():
    from n2vlib.world import scene
    from n2vlib.world.catalog import SCENE

    drawn = scenes.drawn(("beach", "park"), 6, 7)
    mine = [scene(7, index) for index in range(80)]
    mine = [one for one in mine if one.scene in (SCENE["beach"], SCENE["park"])][:6]
    for i, one in enumerate(mine):
        assert drawn.scene[i] == one.scene and np.array_equal(drawn.object[i], one.maps["object"][0])
        r, c = 13, 20
        block = one.image[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].reshape(4, 3).mean(0)
        assert np.abs(drawn.images[i, r, c] - block).max() <= 0.5


def test_answers_are_the_highest_of_interpolated_scores_at_every_place():
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(60, 3, 4, 5)))
    assert np.array_equal(sources.answers(nn.Identity(), scores), scores.numpy().argmax(1))
    large = sources.answers(nn.Identity(), scores, (8, 10))
    # half-pixel bilinear: row 3 is 3/4 of row 1 and 1/4 of row 2, column 6 is 3/4 of column 3 and 1/4 of column 2
    rows = 0.75 * scores[:, :, 1] + 0.25 * scores[:, :, 2]
    assert np.array_equal(large[:, 3, 6], (0.75 * rows[:, :, 3] + 0.25 * rows[:, :, 2]).numpy().argmax(1))


def test_a_scene_of_another_kind_than_was_counted_stops_the_drawing(monkeypatch):
    monkeypatch.setattr(scenes, "_kind", lambda _seed, _index: "kitchen")
    with pytest.raises(RuntimeError, match="scene 0 of seed 7 is of another kind"):
        scenes._one(7, 0)


def test_errors_of_a_segmenter_against_sets_of_pixels():
    rng, names = np.random.default_rng(0), [NOTHING, "tree", "sea"]
    said, truth = rng.integers(0, 3, (2, 4, 4)), rng.integers(0, 3, (2, 4, 4))
    table = errors(said, truth, names).set_index("class")
    for number, name in enumerate(names):
        a, b = ({tuple(at) for at in np.argwhere(each == number)} for each in (said, truth))
        assert table.loc[name, "IoU"] == pytest.approx(len(a & b) / len(a | b))
        assert table.loc[name, "precision"] == pytest.approx(len(a & b) / len(a))
    numbers = {name: number for number, name in scenes.NAMES.items()}
    objects = np.array([[numbers["sea"], numbers["dog"], 0, numbers["tree"]]], np.uint16)
    assert labels(objects, names).tolist() == [[2, 0, 0, 1]]


def test_effects_for_a_chapter_are_kept_and_rank_the_planted_unit_first(planted, tmp_path):
    generator, segmenter, found = planted
    others = dissect.dissect(generator, segmenter, "units", 64, seed=4, tau=0.2)
    ways = generator, segmenter, found, others, ["sea"], Store(str(tmp_path))
    table = causal.effects(*ways, steps=30)
    pd.testing.assert_frame_equal(table, causal.effects(*ways, steps=30))
    value = {(row["way"], row["measure"]): row["value"] for row in table.to_dict("records")}
    assert value[causal.LEARNED_SO, causal.REMOVAL] == 1
    assert value[causal.LEARNED, causal.REMOVAL] == 1 and value[causal.NOTHING, causal.INSERTION] == 0
    low, middle, high = table[["low", "value", "high"]].to_numpy(float).T
    assert (low <= middle).all() and (middle <= high).all()
    with pytest.raises(BadInput, match="CLASSES 'seas': .* has no such class; near matches: sea"):
        causal.need_classes(segmenter, ["seas"])


# ---- what ships ----


def test_the_zoos_generator_and_segmenter_are_as_their_cards_say():
    card, judge = shipped.card("small-generator"), shipped.card("small-segmenter")
    assert card["recipe"] == json.loads(json.dumps(asdict(GENERATORS["small-generator"])))
    assert judge["recipe"] == json.loads(json.dumps(asdict(SEGMENTERS["small-segmenter"])))
    assert card["seconds"] <= 240 and judge["seconds"] <= 240
    assert card["held_out"]["difference"] < 0.5 * card["held_out"]["floor"]
    assert judge["held_out"]["accuracy"] > 0.85 > judge["held_out"]["floor"]
    generator, segmenter = sources.load_generator(), sources.load_segmenter()
    sources.fitting(generator, segmenter)
    assert generator.layers["grid14"] == (64, 14, 14)
    codes = generator.draw(300, 5)
    assert torch.equal(codes, generator.draw(300, 5)) and not torch.equal(codes, generator.draw(300, 6))
    table, title = segmenting.stated(segmenter, 30, seed=11)
    assert table["class"].tolist() == segmenter.classes and title[:2] in ("89", "90", "91", "92")
    assert segmenting.stated(replace(segmenter, name="mine"), 30)[0].empty


def test_trainings_of_the_generator_and_the_segmenter_give_the_same_bytes_again(tmp_path, monkeypatch):
    small = {"images": 40, "steps": 4, "batch": 4}
    monkeypatch.setitem(GENERATORS, "small-generator", replace(GENERATORS["small-generator"], code=8, **small))
    monkeypatch.setitem(SEGMENTERS, "small-segmenter", replace(SEGMENTERS["small-segmenter"], **small))
    for module in (drawing, segmenting):
        monkeypatch.setattr(module, "HELD_OUT", 20)
    for name, module in (("small-generator", drawing), ("small-segmenter", segmenting)):
        one, two = (module.train(name, out=tmp_path / each)["sha256"] for each in ("a", "b"))
        assert one == two
    assert sources.load_generator(folder=tmp_path / "a").draw(3, 0).shape == (3, 8)
    assert sources.load_segmenter(folder=tmp_path / "a").classes[0] == NOTHING
