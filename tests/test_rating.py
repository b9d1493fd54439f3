"""Labels and raters: answers against slow loops, planted raters, broken files, and a page without the right answers."""

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from measured import activations, measure

from n2vlib import rating_page
from n2vlib.analysis import rating
from n2vlib.compositional import explain
from n2vlib.errors import BadInput
from n2vlib.methods import dissection


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("rating"))


def filters(labels: dict[str, str]) -> pd.DataFrame:
    """Questions about filters 0, 1, ... of each layer, by the letters of their labels."""
    rows = [
        ("net", layer, k, ord(label), label, "object" if label < "n" else "part", 0.1, rating.OWN)
        for layer, each in labels.items()
        for k, label in enumerate(each)
    ]
    columns = ["network", "layer", "filter", "concept", "label", "category", "dissection_iou", "asked"]
    return pd.DataFrame(rows, columns=columns)


def answered(questions: pd.DataFrame, **said: str) -> pd.DataFrame:
    """Answers by rater, one letter for each question: y, n or s."""
    word = {"y": "yes", "n": "no", "s": "skip"}
    parts = [
        questions.assign(rater=rater, answer=[word[letter] for letter in letters]) for rater, letters in said.items()
    ]
    return pd.concat(parts, ignore_index=True)


# --- patches, and the automatic rater


@pytest.mark.parametrize("name", ["1", "3"])
def test_patches_are_where_the_filter_is_highest_and_their_masks_those_of_the_whole_map(measured, name):
    probe, layers = measured
    every = activations(probe, name)
    for k in range(layers[name].n_filters):
        images, masks = rating.patches(layers[name], probe, k)
        assert images.tolist() == sorted(range(len(probe)), key=lambda i: (-every[i, k].max(), i))[: rating.PATCHES]
        whole = dissection.mask(layers[name], probe, every[images, k].astype(float), k)
        np.testing.assert_array_equal(masks, whole)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_the_automatic_rater_says_what_a_slow_loop_says(measured, overlap):
    probe, layers = measured
    named = rating.named(layers, probe)
    questions = pd.concat([named, rating.random_labels(named, 0)], ignore_index=True)
    found = rating.automatic(questions, layers, probe, overlap)
    for row in found.to_dict("records"):
        images, masks = rating.patches(layers[row["layer"]], probe, row["filter"])
        shown = 0
        for image, mask in zip(images, masks, strict=True):
            annotated = probe.annotated(row["concept"], int(image))
            pixels = [(one, other) for one, other in zip(mask.ravel(), annotated.ravel(), strict=True)]
            both = sum(one and other for one, other in pixels)
            smaller = min(sum(one for one, _ in pixels), sum(other for _, other in pixels))
            shown += both > 0 and both >= overlap * smaller
        assert row["answer"] == ("yes" if shown >= 8 else "no")  # of fifteen
    assert set(found["answer"]) == {"yes", "no"} and set(found["rater"]) == {rating.AUTOMATIC}


def test_a_filter_that_fires_in_fewer_than_fifteen_images_is_not_asked_about(measured):
    probe, layers = measured
    seen = set()
    for tau in (0.05, 0.02, 0.01):
        rarer = {name: layer.at(tau) for name, layer in layers.items()}
        highest = {name: activations(probe, name).max((2, 3)) for name in rarer}
        fires = {(n, k): sum(highest[n][:, k] > t) for n, each in rarer.items() for k, t in enumerate(each.thresholds)}
        seen |= set(fires.values())
        enough = [at for at, times in fires.items() if times >= rating.PATCHES]
        named = rating.named(rarer, probe)
        assert list(zip(named["layer"], named["filter"], strict=True)) == enough
    assert 0 in seen and seen & set(range(1, rating.PATCHES)) and max(seen) >= rating.PATCHES


def test_a_patch_shows_a_concept_that_covers_half_of_it_or_half_of_which_it_covers():
    patch = np.zeros((5, 4, 4), bool)
    patch[:, :2] = True  # 8 pixels
    annotated = np.zeros_like(patch)
    annotated[0, 1:3] = True  # half of the patch, and the patch half of it
    annotated[1, 0, 0] = True  # a small part, whole within the patch
    annotated[2, 1, :3] = annotated[2, 2:, :] = True  # 3 of 11
    annotated[3, 3] = True  # beside it
    assert rating.shows(patch, annotated, 0.5).tolist() == [True, True, False, False, False]
    assert rating.shows(patch, annotated, 0.0).tolist() == [True, True, True, False, False]


def test_masks_of_another_convention_are_those_that_it_counts(measured):
    probe, layers = measured
    every = activations(probe, "3")
    differ = False
    for k in range(layers["3"].n_filters):
        images, masks = rating.patches(layers["3"], probe, k, convention=explain.COMPEXP)
        maps = torch.from_numpy(every[images, k]).float()[None]
        larger = torch.nn.functional.interpolate(maps, probe.label_size, mode="bilinear")[0].numpy()
        clear = np.abs(larger - layers["3"].thresholds[k]) > 1e-5
        np.testing.assert_array_equal(masks[clear], (larger > layers["3"].thresholds[k])[clear])
        differ |= bool((masks != rating.patches(layers["3"], probe, k)[1]).any())
    assert differ


# --- the questions


def test_a_planted_label_is_another_filters_of_the_same_layer_and_never_the_own():
    named = filters({"conv1": "aabbcc", "conv2": "xyzxyz"})
    for seed in range(20):
        planted = rating.random_labels(named, seed)
        assert (planted["label"] != named["label"]).all() and (planted["asked"] == rating.PLANTED).all()
        assert set(planted["label"][:6]) <= set("abc") and set(planted["label"][6:]) <= set("xyz")
        assert (planted["concept"] == planted["label"].map(ord)).all()
        assert (planted["category"] == ["object"] * 6 + ["part"] * 6).all()
        assert planted["filter"].tolist() == named["filter"].tolist()


def test_a_layer_with_one_label_borrows_and_a_network_with_one_label_is_refused():
    assert set(rating.random_labels(filters({"conv1": "aaa", "conv2": "xy"}), 0)["label"][:3]) <= set("xy")
    with pytest.raises(BadInput, match="all filters are labelled 'a'"):
        rating.random_labels(filters({"conv1": "aaa"}), 0)


def test_a_deal_asks_about_a_filter_once_and_a_quarter_of_each_layer_is_planted():
    named = filters({"conv1": "abcdefgh" * 3, "conv2": "opq"})
    dealt = rating.draw_questions(named, 12, 0)
    assert len(dealt) == 15 and not dealt.duplicated(["layer", "filter"]).any()
    own = dealt.merge(named, on=["layer", "filter"])
    assert ((own["label_x"] == own["label_y"]) == (own["asked_x"] == rating.OWN)).all()
    assert (dealt["asked"] == rating.PLANTED).groupby(dealt["layer"]).sum().to_dict() == {"conv1": 3, "conv2": 1}
    pd.testing.assert_frame_equal(dealt, rating.draw_questions(named, 12, 0))
    assert dealt["filter"].tolist() != rating.draw_questions(named, 12, 1)["filter"].tolist()


def test_the_planted_questions_are_not_at_one_end_of_a_deal():
    at = np.flatnonzero(rating.draw_questions(filters({"conv1": "abcd" * 20}), 80, 0)["asked"] == rating.PLANTED)
    assert at.min() < 20 and at.max() > 60


def test_another_control_takes_the_place_of_random_labels():
    named = filters({"conv1": "abcdefgh" * 2})
    control = named.assign(label="chance", asked="formula by chance")
    dealt = rating.draw_questions(named, 8, 0, control)
    wrong = dealt["asked"] == "formula by chance"
    assert wrong.sum() == 2 and (dealt["label"] == "chance").equals(wrong)
    assert dealt["filter"].tolist() == rating.draw_questions(named, 8, 0)["filter"].tolist()


# --- the table


def test_the_table_of_two_raters_is_that_of_a_slow_loop():
    rng = np.random.default_rng(3)
    questions = rating.draw_questions(filters({"conv1": "abcdefghxyz", "conv2": "klmnopqrs"}), 9, 0)
    said = {name: "".join(rng.choice(list("yyns"), len(questions))) for name in ("ann", "ben", "cai")}
    table = rating.shares(answered(questions, **said)).set_index(["layer", "asked", "category"])
    for (layer, asked, category), found in table.iterrows():  # type: ignore[misc]
        share, alike, votes = [], [], 0
        for at, row in questions.iterrows():
            given = [each[at] for each in said.values() if each[at] != "s"]  # type: ignore[index]
            if (row["layer"], row["asked"]) == (layer, asked) and category in ("all", row["category"]) and given:
                share.append(given.count("y") / len(given))
                votes += len(given)
                pairs = [one == other for one, other in combinations(given, 2)]
                alike += [sum(pairs) / len(pairs)] if pairs else []
        assert (found["filters"], found["votes"]) == (len(share), votes)
        assert found["share"] == pytest.approx(np.mean(share)) and found["low"] <= found["share"] <= found["high"]
        assert found["agreement"] == pytest.approx(np.mean(alike) if alike else np.nan, nan_ok=True)


def test_one_who_says_yes_to_everything_is_found_out_by_the_planted_labels():
    questions = rating.draw_questions(filters({"conv1": "abcdefgh"}), 8, 0)
    honest = "".join("y" if asked == rating.OWN else "n" for asked in questions["asked"])
    shares = {
        rater: rating.shares(answered(questions, **{rater: said}))
        .query("category == 'all'")
        .set_index("asked")["share"]
        for rater, said in {"honest": honest, "agreeable": "y" * 8}.items()
    }
    assert shares["honest"].to_dict() == {rating.OWN: 1.0, rating.PLANTED: 0.0}
    assert shares["agreeable"].to_dict() == {rating.OWN: 1.0, rating.PLANTED: 1.0}


def test_raters_with_the_same_answers_agree_and_one_alone_has_no_agreement():
    questions = filters({"conv1": "ab"})
    assert rating.shares(answered(questions, ann="yn", ben="yn"))["agreement"].tolist() == [1.0, 1.0]
    assert rating.shares(answered(questions, ann="yn", ben="ny"))["agreement"].tolist() == [0.0, 0.0]
    assert rating.shares(answered(questions, ann="yn"))["agreement"].isna().all()


def test_several_answers_can_count_as_yes():
    judged = filters({"conv1": "abcd"}).assign(rater="ann")
    given = ["lexical and perceptual", "specialization", "polysemantic", "skip"]
    table = rating.shares(judged.assign(answer=given), yes=rating.MEANINGFUL)
    assert table["share"].iloc[0] == pytest.approx(2 / 3) and table["filters"].iloc[0] == 3


# --- the file of ratings

HEADER = ",".join(rating.COLUMNS)


def test_what_was_answered_is_read_back_with_what_was_asked(tmp_path):
    questions = rating.draw_questions(filters({"conv1": 'ab"', "conv2": ",\nx"}), 8, 0)
    given = answered(questions, ann="ynsyns"[: len(questions)], ben="nnyyss"[: len(questions)])
    given[rating.COLUMNS].to_csv(tmp_path / "r.csv", index=False)
    pd.testing.assert_frame_equal(rating.read(tmp_path / "r.csv", questions), given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: column 'network' must be there once"),
        ("network,layer,filter,label,category,answer\n", "line 1: column 'rater' must be there once"),
        (HEADER + "\n", "a header and no answers"),
        (HEADER + "\nnet,conv1,0,a,object,ann\n", "line 2: 6 fields, the header has 7"),
        (HEADER + "\nnet,conv1,0,a,object,ann,maybe\n", "line 2, column answer: 'maybe'"),
        (HEADER + "\nnet,conv1,0,a,object, ,yes\n", "line 2, column rater: it is empty"),
        (HEADER + "\nnet,conv1,0,b,object,ann,yes\n", "line 2: conv1, filter 0, 'b' is no question of this page"),
        (HEADER + "\nnet,conv1,7,a,object,ann,yes\n", "line 2: conv1, filter 7, 'a' is no question"),
        (HEADER + "\nnet,conv1,0,a,object,ann,yes" * 2, "line 3: ann answered this in line 2 already"),
        (HEADER + '\nnet,conv1,0,"a,object,ann,yes\n', "cannot be read as UTF-8 CSV"),
    ],
)
def test_a_broken_file_is_refused_in_one_line_that_names_it_and_the_row(tmp_path, text, said):
    file = tmp_path / "r.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=re.escape(said)) as error:
        rating.read(file, filters({"conv1": "ab"}))
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_judgements_of_formulas_are_read_as_such_only(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text(HEADER + "\nnet,conv1,0,a,object,ann,polysemantic\nnet,conv1,1,b,object,ann,perceptual only\n")
    found = rating.read(file, filters({"conv1": "ab"}), rating.JUDGEMENTS)
    assert found["answer"].tolist() == ["polysemantic", "perceptual only"]
    with pytest.raises(BadInput, match="line 2, column answer: 'polysemantic'; it must be yes, no, skip"):
        rating.read(file, filters({"conv1": "ab"}))


def test_a_file_that_is_not_there_and_one_that_is_no_text_are_refused(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00")
    for name, said in (("none.csv", "there is no such file"), ("r.csv", "cannot be read as UTF-8 CSV")):
        with pytest.raises(BadInput, match=said):
            rating.read(tmp_path / name, filters({"conv1": "ab"}))


# --- the page


def page(folder: Path, questions: pd.DataFrame, wording: rating_page.Wording = rating_page.LABELS) -> str:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 32, 32, 3), np.uint8)
    masks = np.zeros((2, 16, 16), bool)
    masks[:, 4:9, 4:9] = True
    file = rating_page.write(folder / "page.html", questions, [(images, masks)] * len(questions), wording=wording)
    return file.read_text(encoding="utf-8")


def data_of(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def test_the_page_does_not_distinguish_a_planted_label_from_an_own_one(tmp_path):
    questions = rating.draw_questions(filters({"conv1": "abcdefgh"}), 8, 0)
    html = page(tmp_path, questions)
    shown = data_of(html)["questions"]
    assert all(set(each) == {"network", "layer", "filter", "label", "category", "word", "pictures"} for each in shown)
    assert [each["label"] for each in shown] == questions["label"].tolist()
    assert rating.PLANTED not in html and rating.OWN not in html and "dissection_iou" not in html


def test_a_label_that_is_markup_stays_text(tmp_path):
    hostile = "</script><script>alert(1)</script><!--{{data}}"
    html = page(tmp_path, filters({"conv1": "a"}).assign(label=hostile, category='"><img src=x>'))
    assert html.count("<script") == 2 and "<img" not in html and "alert(1)" in html
    (shown,) = data_of(html)["questions"]
    assert shown["label"] == hostile and shown["category"] == '"><img src=x>'


def test_the_page_loads_nothing_and_allows_its_own_script_only(tmp_path):
    html = page(tmp_path, filters({"conv1": "ab"}))
    assert "http://" not in html and "https://" not in html and "innerHTML" not in html
    assert "default-src 'none'" in html and "unsafe-inline" not in html


def test_pages_with_other_questions_keep_their_answers_apart(tmp_path):
    one, again, other = (page(tmp_path, filters({"conv1": labels})) for labels in ("ab", "ab", "ba"))
    assert one == again and data_of(one)["digest"] != data_of(other)["digest"]


def test_a_page_that_fails_leaves_nothing_behind(tmp_path):
    def patches():
        yield [np.zeros((8, 8, 3), np.uint8)], [np.zeros((4, 4), bool)]

    with pytest.raises(BadInput, match="patches for 1 of 2 questions"):
        rating_page.write(tmp_path / "page.html", filters({"conv1": "ab"}), patches())
    assert list(tmp_path.iterdir()) == []


def test_words_lose_the_endings_of_the_probe_set():
    assert [rating_page.word(label) for label in ("red-c", "mountain_snowy-s", "t-shirt")] == [
        "red", "mountain snowy", "t-shirt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("red-c", "red"),
        ("(water OR mountain_snowy-s) AND NOT blue-c", "(water or mountain snowy) and not blue"),
        ("a OR b OR t-shirt", "a or b or t-shirt"),
        ("(floor AND kitchen-s) AND NOT brown-c", "floor and kitchen and not brown"),
        ("((a AND NOT b) AND c) OR d", "(a and not b and c) or d"),
        ("a AND NOT (b AND NOT c)", "a and not (b and not c)"),
        ('"x (old)" AND y', "x (old) and y"),
    ],
)
def test_formulas_are_read_in_words(formula, words):
    assert rating_page.formula_in_words(formula) == words


def test_a_page_of_formulas_offers_the_judgements_that_are_read_back(tmp_path):
    for wording, answers in ((rating_page.LABELS, rating.ANSWERS), (rating_page.FORMULAS, rating.JUDGEMENTS)):
        assert tuple(wording.answers) == answers
        keys = [key for key, _ in wording.answers.values()]
        html = page(tmp_path, filters({"conv1": "ab"}), wording)
        assert re.findall(r'data-answer="(.*?)" data-key="(.*?)"', html) == list(zip(answers, keys, strict=True))
        assert len(set(keys)) == len(keys) and wording.title in html and "$" not in html.partition("<script")[0]


def test_wording_that_is_markup_stays_text(tmp_path):
    mark = '"><script>alert(2)</script>'
    wording = rating_page.Wording(mark, mark, (mark,), (mark, mark), {mark: (mark, mark)}, lambda label: label)
    html = page(tmp_path, filters({"conv1": "a"}), wording)
    assert html.count("<script") == 2 and mark not in html


def test_a_label_that_is_no_formula_is_refused_and_leaves_no_page(tmp_path):
    with pytest.raises(BadInput, match="cannot stand there"):
        page(tmp_path, filters({"conv1": "a"}).assign(label="a) OR b"), rating_page.FORMULAS)
    assert list(tmp_path.iterdir()) == []
