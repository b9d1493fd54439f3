"""Explanations of single answers: LIME against a slow port of its facts, the pick, predicted beside true effects."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from torch import nn

from n2vlib import load_network, load_probe, read_layers
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.local import agreement, compared, effects, lime, pick, removals, superpixels
from n2vlib.local import picture as photo
from n2vlib.methods import dissection
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.store import Store
from n2vlib.world.edited import Drawing, drawings

SHOWN = Preprocessing((48, 48), (0.0,) * 3, (1.0,) * 3)


def picture(seed: int = 0, side: int = 48) -> np.ndarray:
    """Blocks of 12 pixels in random colors, with a little noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 236, (side // 12, side // 12, 3))
    return (np.kron(blocks, np.ones((12, 12, 1))) + rng.integers(-3, 4, (side, side, 3))).astype(np.uint8)


class Corners(nn.Module):
    """Two scores of sums over quarters of the picture, and of a product of two of them."""

    def __init__(self):
        super().__init__()
        self.features = nn.AvgPool2d(24)

    def forward(self, images):
        a = self.features(images).flatten(2)
        first = 3 * a[:, 0, 0] - 2 * a[:, 1, 3] + a[:, 2, 1] * a[:, 0, 2]
        return torch.stack([first, torch.zeros_like(first)], 1)


NETWORK = Network("corners", Corners(), SHOWN, "none")


def slow_lime(image, segments, rows, predict, width=0.25):
    """The facts of the authors' code, one sample after another: (weights, intercept)."""
    x, y, w = [], [], []
    for row in rows:
        shown = image.copy()
        for s in range(segments.max() + 1):
            if not row[s]:
                inside = segments == s
                shown[inside] = [np.mean(image[inside][:, c]) for c in range(3)]
        seen = sum(row)
        distance = 1 - (seen / np.sqrt(seen * len(row)) if seen else 0)
        x.append(row.astype(float))
        y.append(predict(shown))
        w.append(np.sqrt(np.exp(-(distance**2) / width**2)))
    model = Ridge(alpha=1, fit_intercept=True).fit(x, y, sample_weight=w)
    return model.coef_, model.intercept_, model.score(x, y, sample_weight=w)


@pytest.mark.parametrize("seed", [0, 3])
def test_lime_is_the_slow_port_of_its_facts(seed):
    image = picture(seed)
    drawn = lime.sample(NETWORK, image, samples=80, seed=seed, device="cpu")
    assert drawn.rows[0].all() and drawn.rows.shape == (80, drawn.segments.max() + 1)

    def predict(shown):
        return NETWORK.module(SHOWN(shown[None])).double().softmax(1)[0, 0].item()

    weights, intercept, fit = slow_lime(image, drawn.segments, drawn.rows, predict)
    found = lime.explain(drawn, 0)
    np.testing.assert_allclose(found.weights, weights, atol=2e-6)
    assert found.intercept == pytest.approx(intercept, abs=2e-6) and found.fit == pytest.approx(fit, abs=1e-4)
    assert found.map.sum() == pytest.approx(found.weights.sum())


def test_samples_weigh_by_the_cosine_of_what_is_seen():
    rows = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    expected = [np.sqrt(np.exp(-((1 - c) ** 2) / 0.0625)) for c in (1, 0.5, 0)]
    np.testing.assert_allclose(lime.similarity(rows), expected)


def test_the_same_picture_has_the_same_explanation_whatever_was_drawn_before(tmp_path):
    image, other, store = picture(1), picture(2), Store(str(tmp_path))
    first = lime.explain(lime.sample(NETWORK, image, samples=60, seed=5, device="cpu"), 0)
    np.random.seed(9)
    torch.manual_seed(8)
    lime.sample(NETWORK, other, samples=60, seed=4, device="cpu")
    options = {"samples": 60, "seed": 5, "device": "cpu"}
    again = [lime.sample(NETWORK, image, **options), lime.sample(NETWORK, image, store=store, **options)]
    again += [lime.of_images(NETWORK, [other, image], **options)[1]]
    for drawn in again:
        found = lime.explain(drawn, 0)
        assert (found.segments == first.segments).all() and (found.weights == first.weights).all()
        assert (found.low == first.low).all() and (found.high == first.high).all()
    assert (
        lime.explain(lime.sample(NETWORK, image, samples=60, seed=6, device="cpu"), 0).weights != first.weights
    ).any()


def test_answers_are_kept_for_the_same_picture_network_and_options_only(tmp_path, monkeypatch):
    store, options = Store(str(tmp_path)), {"samples": 60, "device": "cpu"}
    lime.sample(NETWORK, picture(), store=store, **options)
    monkeypatch.setattr(lime, "_asked", None)
    lime.sample(NETWORK, picture(), store=store, **options)
    changed = [(picture(1), {}), (picture(), {"seed": 1}), (picture(), {"kernel": 0.1}), (picture(), {"samples": 61})]
    for image, more in changed:
        with pytest.raises(TypeError):
            lime.sample(NETWORK, image, store=store, **options | more)


@pytest.mark.parametrize("samples", [100, 400])
def test_intervals_cover_the_weights_of_a_linear_model(samples):
    """Toy model: known weights, an intercept, and noise that is larger where fewer superpixels are seen."""
    rng, n, covered = np.random.default_rng(0), 20, []
    truth = rng.normal(0, 0.3, n)
    for repeat in range(150):
        rows = lime.draw(samples, n, repeat)
        noise = rng.normal(0, 1, samples) * (0.1 + 0.4 * (1 - rows.mean(1)))
        low, high = lime.interval(rows, 0.2 + rows @ truth + noise, lime.similarity(rows))
        covered.append((low <= truth) & (truth <= high))
    assert 0.93 < np.mean(covered) < 0.975


def test_intervals_cover_what_very_many_samples_of_a_nonlinear_model_say():
    rng, n = np.random.default_rng(1), 12
    single, pairs = rng.normal(0, 0.3, n), np.triu(rng.normal(0, 0.2, (n, n)), 1)

    def outputs(rows):
        return rows @ single + np.einsum("ij,jk,ik->i", rows, pairs, rows)

    every = np.array([*product([0, 1], repeat=n)], bool)
    design = np.column_stack([np.ones(len(every)), every]) * np.sqrt(lime.similarity(every))[:, None]
    limit = np.linalg.lstsq(design, outputs(every) * np.sqrt(lime.similarity(every)), rcond=None)[0][1:]
    covered = []
    for repeat in range(150):
        rows = lime.draw(120, n, repeat)
        low, high = lime.interval(rows, outputs(rows.astype(float)), lime.similarity(rows))
        covered.append((low <= limit) & (limit <= high))
    assert 0.92 < np.mean(covered) < 0.98


def test_superpixels_are_numbered_without_gaps_and_hidden_in_their_mean_color():
    image = picture(4)
    segments = superpixels.find(image, seed=0)
    assert set(np.unique(segments)) == set(range(segments.max() + 1))
    assert superpixels.numbered(np.array([[1, 5], [9, 1]])).tolist() == [[0, 1], [2, 0]]
    rows = np.ones((2, segments.max() + 1), bool)
    rows[1, 0] = False
    whole, hidden = superpixels.hide(image, superpixels.mean_colors(image, segments), segments, rows)
    assert (whole == image).all() and (hidden[segments != 0] == image[segments != 0]).all()
    assert (hidden[segments == 0] == image[segments == 0].mean(0).astype(np.uint8)).all()


def test_shares_of_superpixels_sum_to_one_over_a_partition_of_the_picture():
    segments = superpixels.find(picture(5), seed=0)
    top = np.zeros((24, 24), bool)
    top[:11] = True
    shares = superpixels.overlap(np.stack([top, ~top]), segments)
    np.testing.assert_allclose(shares.sum(0), 1)
    large = np.kron(top, np.ones((2, 2), bool))
    assert shares[0, 3] == pytest.approx((large & (segments == 3)).sum() / (segments == 3).sum())


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (
            lambda: superpixels.find(np.full((24, 24, 3), 7, np.uint8), seed=0, kernel=0.2),
            "24 x 24 pixels: it is one superpixel",
        ),
        (lambda: lime.draw(20, 19, 0), "20 samples: too few for 19 superpixels; take at least 29"),
        (lambda: pick.best(np.ones((60, 3)), 8), "8 of 60 pictures: too many choices"),
        (
            lambda: lime.explain(
                lime.Samples(np.zeros((2, 2), int), np.ones((2, 2), bool), np.zeros((2, 2))), 0, scale="odds"
            ),
            "scale 'odds': choose",
        ),
        (lambda: removals.removed([]), "0 scenes show no thing"),
    ],
)
def test_what_cannot_be_explained_is_one_line(action, says):
    with pytest.raises(BadInput, match=says) as caught:
        action()
    assert "\n" not in str(caught.value)


# What the text says of the paper's figure 5: row 2 holds features 2 and 3, row 3 nothing else, row 5 the last two.
FIXED = {1: [0, 1, 1, 0, 0], 2: [0, 1, 1, 0, 0], 4: [0, 0, 0, 1, 1]}


def test_the_papers_toy_matrix_is_picked_as_printed():
    toy = pick.toy()
    assert all(toy[row].tolist() == cells for row, cells in FIXED.items())
    chosen, covered = pick.greedy(toy, 2)
    assert sorted(row + 1 for row in chosen) == [2, 5]
    assert (toy[chosen] != 0).any(0).tolist() == [False, True, True, True, True]
    assert pick.importance(toy)[1] > pick.importance(toy)[0]
    assert pick.coverage(toy, [1, 2]) == pick.coverage(toy, [1])
    assert pick.best(toy, 2)[0] == sorted(chosen) and covered[-1] == pytest.approx(pick.best(toy, 2)[1])
    # The authors' code takes the last of equals, and with it the third row in place of the second.
    assert pick.greedy(toy, 2, last=True)[0] == [2, 4]


@pytest.mark.parametrize("first", [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]])
@pytest.mark.parametrize("fourth", [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 1, 0, 0, 1], [0, 1, 1, 0, 0]])
def test_rows_that_the_text_leaves_open_may_be_others(first, fourth):
    w = pick.toy()
    w[0], w[3] = first, fourth
    assert sorted(pick.greedy(w, 2)[0]) == [1, 4]


def slow_coverage(w, rows):
    return sum(np.sqrt(sum(abs(w[:, j]))) for j in range(w.shape[1]) if any(w[i, j] != 0 for i in rows))


@pytest.mark.parametrize("seed", range(6))
def test_greedy_is_as_good_as_promised_and_the_best_is_the_best(seed):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(9, 12)) * (rng.random((9, 12)) < 0.2)
    chosen, covered = pick.greedy(w, 3)
    values = {rows: slow_coverage(w, rows) for rows in combinations(range(9), 3)}
    rows, value = pick.best(w, 3)
    assert value == pytest.approx(max(values.values())) and slow_coverage(w, rows) == pytest.approx(value)
    assert covered[-1] == pytest.approx(slow_coverage(w, chosen)) and covered[-1] >= pick.GUARANTEE * value
    assert covered[-1] == pytest.approx(pick.coverage(w, chosen)) and len(set(chosen)) == 3
    drawn = pick.at_random(w, 3, seed=0, draws=4000)
    assert drawn.mean() == pytest.approx(np.mean([*values.values()]), rel=0.02)


def test_of_equals_the_first_or_the_last_is_taken_and_no_more_rows_than_there_are():
    w = np.array([[1, 0], [1, 0], [0, 2]])
    assert pick.greedy(w, 2) == ([0, 2], pytest.approx([2**0.5, 2 * 2**0.5]))
    assert pick.greedy(w, 2, last=True)[0] == [2, 1]
    assert sorted(pick.greedy(w, 5)[0]) == [0, 1, 2]


def test_concepts_have_the_weights_of_their_pixels():
    segments = np.repeat([[0, 1]], 2, 0)
    explained = lime.Explanation(segments, np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), 0.0, 1.0)
    left, half = np.array([[1, 0], [1, 0]], bool), np.array([[1, 1], [0, 0]], bool)
    table = pick.by_concept([explained] * 3, [{"b": left}, {"b": half, "a": left}, {}], most=2)
    assert list(table) == ["a", "b"]
    assert table.to_numpy().tolist() == [[0, 1], [1, -0.5], [0, 0]]
    few = pick.by_concept([explained], [{"a": left, "b": half, "c": ~left}], most=1)
    assert few.to_dict("list") == {"c": [-2.0]}


def test_a_picture_of_any_size_is_read_as_the_network_sees_it(tmp_path):
    large = np.kron(picture(), np.ones((4, 4, 1), np.uint8))
    Image.fromarray(large).save(tmp_path / "large.png")
    seen = photo.read(str(tmp_path / "large.png"), NETWORK)
    assert seen.shape == (48, 48, 3) and abs(seen[2:10, 2:10].astype(int) - picture()[2:10, 2:10]).max() < 12
    assert (photo.as_seen(picture(), NETWORK) == picture()).all()
    (tmp_path / "text.png").write_text("no picture")
    for name, says in {"gone.png": "is no file", "": "is a folder; name one", "text.png": "cannot be read"}.items():
        with pytest.raises(BadInput, match=says) as caught:
            photo.read(str(tmp_path / name), NETWORK)
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def scenes():
    network = load_network("small-alexnet")
    found = removals.removed(drawings(31, 4))
    return network, found, removals.asked(network, found, device="cpu")


def test_removals_are_the_scenes_drawn_without_the_thing(scenes):
    network, found, asked = scenes
    assert len(found.table) == len(found.images) == len(found.masks) > 8
    drawn = [each for i in range(20) if (each := Drawing(31, i)).scene.scene][:4]
    before = found.table["scene"].map(dict(enumerate(asked.before))).to_numpy()
    for pair, (scene, thing) in enumerate(zip(found.table["scene"], found.table["thing"], strict=True)):
        again = drawn[scene].without(thing)
        assert (again.scene.image == found.images[pair]).all() and (again.mask == found.masks[pair]).all()
        logits = network.module(network.preprocessing(found.images[pair][None]))[0, :12].double()
        c = asked.classes[scene]
        others = torch.cat([logits[:c], logits[c + 1 :]]).logsumexp(0)
        assert before[pair] - asked.effects[pair] == pytest.approx((logits[c] - others).item(), abs=1e-4)
    masks = removals.shown_in(drawn[0].scene)
    assert set(drawn[0].shows) <= set(masks) and np.sum([*masks.values()], axis=0).max() == 1
    filled = removals.filled(found)[0]
    assert (filled[~found.masks[0]] == found.originals[0][~found.masks[0]]).all()
    assert len(np.unique(filled[found.masks[0]], axis=0)) == 1


def test_changes_inside_are_those_of_a_hook(scenes):
    network, found, asked = scenes
    inside = effects.Inside(network, "conv5", found, asked, "cpu")
    rng, pairs = np.random.default_rng(0), len(found.table)
    filters, directions = rng.random((pairs, 128)) - 0.9, rng.normal(size=(pairs, 128))
    step = effects.STEP * float(inside.activations.norm(dim=1).mean())
    filters[1, 3] = directions[1, 3] = np.nan
    results = inside.zeroed(filters), inside.projected(directions), inside.along(directions)
    assert all(np.flatnonzero(np.isnan(each)).tolist() == [1] for each in results)

    def log_odds(pair, change):
        hook = network.module.get_submodule(network.layer("conv5")).register_forward_hook(lambda *a: change(a[-1]))
        scene = found.table["scene"][pair]
        with torch.inference_mode():
            logits = network.module(network.preprocessing(found.originals[scene][None]))[0, :12].double()
        hook.remove()
        c = asked.classes[scene]
        return (logits[c] - torch.cat([logits[:c], logits[c + 1 :]]).logsumexp(0)).item()

    for pair in range(0, pairs, 4):
        w = torch.tensor(directions[pair] / np.linalg.norm(directions[pair])).float()[:, None, None]
        off = torch.tensor(filters[pair] > 0)[:, None, None]
        whole = log_odds(pair, lambda a: a)
        assert results[0][pair] == pytest.approx(whole - log_odds(pair, lambda a, off=off: a * ~off), abs=1e-3)
        without = log_odds(pair, lambda a, w=w: a - (a * w).sum(1, keepdim=True) * w)
        assert results[1][pair] == pytest.approx(whole - without, abs=1e-3)
        up, down = (log_odds(pair, lambda a, w=w, s=s: a + s * step * w) for s in (1, -1))
        assert results[2][pair] == pytest.approx((up - down) / (2 * step), abs=0.02)


def test_planted_effects_are_found(scenes):
    _, found, asked = scenes
    segments = [superpixels.find(each, seed=0) for each in found.originals]
    weights = [np.ones(each.max() + 1) for each in segments]
    covered = effects.of_superpixels(weights, segments, found)
    for pair, scene in enumerate(found.table["scene"]):
        own = segments[scene]
        shares = sum((found.masks[pair] & (own == s)).sum() / (own == s).sum() for s in range(own.max() + 1))
        assert covered[pair] == pytest.approx(shares)
    table = pd.DataFrame([[1.0, 2.0]], index=["car"], columns=[0, 1])
    rows = effects.rows_for(["car", "dog"], table)
    assert rows[0].tolist() == [1, 2] and np.isnan(rows[1]).all()
    assert len(asked.names) == 12


@pytest.mark.parametrize(
    ("text", "concepts"),
    [("car", {"car"}), ("(car OR dog) AND NOT red", {"car", "dog"}), ("car AND NOT (dog OR car)", {"car"})],
)
def test_a_formula_names_what_does_not_stand_behind_a_not(text, concepts):
    assert compared.asserted(parse(text)) == concepts


def test_the_table_has_every_method_for_every_thing(scenes, tmp_path):
    network, found, asked = scenes
    store, probe = Store(str(tmp_path / "store")), load_probe("world-800[::8]")
    layer = read_layers(network, ["conv5"], probe, tau=0.005, device="cpu", store=store)["conv5"]
    drawn = lime.of_images(network, [*found.originals], samples=40, device="cpu")
    options = {"epochs": 1, "iou_threshold": 0.04, "device": "cpu"}
    table, again = (compared.table(layer, found, asked, drawn, **options, store=each) for each in (None, store))
    pd.testing.assert_frame_equal(table, again)
    assert set(compared.METHODS) | {"scene", "thing", "truth"} == set(table)
    some = table[[compared.LABELLED, compared.NAMED]]
    assert table.drop(columns=some.columns).notna().to_numpy().all() and some.notna().to_numpy().any()
    labels = dissection.filters(layer, probe)
    inside = effects.Inside(network, "conv5", found, asked, "cpu")
    for pair, thing in enumerate(table["thing"]):
        own = (labels["name"] == thing) & (labels["dissection_iou"] > 0.04)
        assert np.isnan(some.iloc[pair, 0]) == (not own.any())
        if own.any():
            filters = np.zeros((len(table), layer.n_filters))
            filters[pair, labels.loc[own, "filter"]] = 1
            assert some.iloc[pair, 0] == pytest.approx(inside.zeroed(filters)[pair])


def predictions(seed=0, scenes=12, each=4):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=scenes * each)
    table = pd.DataFrame({"scene": np.repeat(np.arange(scenes), each), "truth": truth})
    return table.assign(
        same=truth**3, against=-truth, other=rng.normal(size=len(truth)), gap=np.where(truth > 0, truth, np.nan)
    )


def spearman(table):
    return np.corrcoef(rankdata(table["other"]), rankdata(table["truth"]))[0, 1]


def test_correlations_are_spearmans_and_paired_over_scenes():
    table = predictions()
    found, draws = agreement.correlations(table, ["same", "against", "other", "gap"], seed=3)
    r = found.set_index("method")
    assert r.loc["same", "r"] == pytest.approx(1) and r.loc["against", "r"] == pytest.approx(-1)
    assert r.loc["other", "r"] == pytest.approx(spearman(table))
    assert r.loc["gap", "pairs"] == (table["truth"] > 0).sum()
    assert (r["low"] <= r["r"] + 1e-9).to_numpy().all()
    first = np.random.default_rng(3).integers(0, 12, (agreement.DRAWS, 12))[0]
    drawn = pd.concat([table.loc[table["scene"] == s] for s in first])
    assert draws.r.loc[0, "other"] == pytest.approx(spearman(drawn))
    gap = agreement.differences(draws, found, "same").set_index("against")
    assert gap.loc["against", "difference"] == pytest.approx(2) and gap.loc["other", "low"] > 0


def test_methods_are_compared_on_the_pairs_that_both_have():
    table = predictions(2)
    found, draws = agreement.correlations(table, ["other", "gap"], seed=3)
    (row,) = agreement.differences(draws, found, "gap").to_dict("records")
    both = table.dropna(subset="gap")
    scenes = [mine for _, mine in both.groupby("scene")[["other", "truth"]]]
    assert len(both) < len(table) and spearman(both) != pytest.approx(spearman(table), abs=0.01)
    assert row["difference"] == pytest.approx(1 - spearman(both))
    drawn = []
    for at in np.random.default_rng(3).integers(0, len(scenes), (agreement.DRAWS, len(scenes))):
        drawn.append(1 - spearman(pd.DataFrame(np.concatenate([scenes[i] for i in at]), columns=["other", "truth"])))
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_what_is_held_constant_explains_nothing():
    rng = np.random.default_rng(0)
    area = rng.random(400)
    table = pd.DataFrame({"scene": np.arange(400), "area": area, "truth": area + 0.3 * rng.normal(size=400)})
    table["follows"] = area + 0.3 * rng.normal(size=400)
    plain, _ = agreement.correlations(table, ["follows"])
    given, _ = agreement.correlations(table, ["follows"], given="area")
    (r, low, high) = given.loc[0, ["r", "low", "high"]]
    assert plain.loc[0, "r"] > 0.3 and abs(r) < 0.12 and low < 0 < high


def test_orders_are_those_of_a_loop_over_pairs():
    table = predictions(1)
    found = agreement.orders(table, ["other", "same", "gap"])
    right, count = 0, 0
    for _, mine in table.groupby("scene"):
        for (_, one), (_, two) in combinations(mine.iterrows(), 2):
            right += (one["other"] > two["other"]) == (one["truth"] > two["truth"])
            count += 1
    r = found.set_index("method")
    assert r.loc["other", "r"] == pytest.approx(right / count) and r.loc["other", "pairs"] == count
    assert r.loc["same", "r"] == 1 and r.loc["gap", "r"] == 1 and r.loc["gap", "pairs"] < count


def test_no_scene_gives_missing_numbers():
    empty = predictions().iloc[:0]
    for found in (agreement.correlations(empty, ["same"])[0], agreement.orders(empty, ["same"])):
        assert found["pairs"].tolist() == [0] and np.isnan(found[["r", "low", "high"]].to_numpy()).all()
