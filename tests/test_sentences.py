"""Sentences, what follows from what, the network's units and their formulas, against slow and independent ones."""

import json
from collections import Counter
from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load as read_safetensors

from n2vlib.compositional import beam
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.sentences import concepts, edits, language, pairs, training, units
from n2vlib.sentences.language import CLASSES, read, relation
from n2vlib.sentences.model import EntailmentNetwork, Reading, indices
from n2vlib.store import Store
from n2vlib.zoo import shipped
from n2vlib.zoo.others import OTHERS, SENTENCES, SentencePairs

NAME = "small-sentence-pairs"

# ---- what follows from what: all scenes of a small world, one by one ----

THINGS = {
    "dog": ["dog"],
    "cat": ["cat"],
    "ball": ["ball"],
    "kite": ["kite"],
    "pet": ["dog", "cat"],
    "toy": ["ball", "kite"],
}
SHADES, PLACES = ["red", "blue", "green"], ["beach", "harbor", "kitchen", "office"]
STATES = [(0, ""), *product((1, 2, 3), SHADES)]
SCENES = list(product(STATES, repeat=4))
NUMBER = {k: np.array([scene[i][0] for scene in SCENES]) for i, k in enumerate(["dog", "cat", "ball", "kite"])}
SHADE = {
    k: np.array([["", *SHADES].index(scene[i][1]) for scene in SCENES])
    for i, k in enumerate(["dog", "cat", "ball", "kite"])
}
SINGULAR = {"dogs": "dog", "cats": "cat", "balls": "ball", "kites": "kite"}


def true_in(text: str) -> np.ndarray:
    """In which scenes a sentence is true, (place, scene), read by splitting its text."""
    text = text.replace("there are ", "").replace("there is ", "").replace(" are", "").replace(" is", "")
    where = np.ones(4, bool)
    spaces = {"outdoors": [0, 1], "indoors": [2, 3]} | {name: [at] for at, name in enumerate(PLACES)}
    for name, at in spaces.items():
        if text.endswith(name):
            where = np.isin(range(4), at)
            text = text.removesuffix(name).removesuffix(" on the ").removesuffix(" in the ").strip()
    holds = np.ones(len(SCENES), bool)
    for phrase in text.split(" and "):
        quantity, *color, noun = phrase.split()
        kinds = THINGS[SINGULAR.get(noun, noun)]
        number = sum(NUMBER[k] * (SHADE[k] == 1 + SHADES.index(color[0]) if color else 1) for k in kinds)
        holds &= {
            "no": number == 0, "a": number >= 1, "some": number >= 2,
            "one": number == 1, "two": number == 2, "three": number == 3,
        }[quantity]  # fmt: skip
    return where[:, None] & holds


def at_random(rng: np.random.Generator, nouns: list[str], premise: str = "") -> str:
    """A sentence; every other hypothesis says something of what its premise says."""
    phrases = list(read(premise).phrases)[:1] if premise and rng.random() < 0.5 else []
    phrases = [replace(each, color=str(rng.choice(["", each.color]))) for each in phrases]
    for _ in range(rng.integers(0 if phrases else 1, 3 - len(phrases))):
        noun = str(rng.choice(nouns))
        quantity = str(rng.choice(["no", "a"] if noun in ("pet", "toy") else [*language.QUANTITIES]))
        color = str(rng.choice(["", "", "", *SHADES[:2]]))
        phrases.append(language.Phrase(quantity, color, noun))
    place = str(rng.choice(["", "", "", "outdoors", "indoors", *PLACES]))
    return str(language.Sentence(tuple(phrases), place, verb=bool(premise)))


def test_relations_are_those_of_all_scenes_tried_one_by_one():
    rng, seen = np.random.default_rng(0), Counter()
    for _ in range(400):
        nouns = list(rng.permutation([*THINGS])[:3])
        premise = at_random(rng, nouns)
        hypothesis = at_random(rng, nouns, premise)
        known, asked = true_in(premise), true_in(hypothesis)
        if not known.any():
            with pytest.raises(BadInput, match="contradicts itself"):
                relation(read(premise), read(hypothesis))
            continue
        share = (known & asked).sum() / known.sum()
        expected = "entailment" if share == 1 else "contradiction" if share == 0 else "neutral"
        assert relation(read(premise), read(hypothesis)) == expected, (premise, hypothesis)
        seen[expected] += 1
    assert min(seen[name] for name in CLASSES) > 20


@pytest.mark.parametrize(
    ("premise", "hypothesis", "expected"),
    [
        ("a dog in the park", "an animal is outdoors", "entailment"),
        ("a dog in the park", "there is a cat", "neutral"),
        ("a dog in the park", "a dog is in the kitchen", "contradiction"),
        ("one person on the beach", "there is nobody", "contradiction"),
        ("three dogs", "there are some dogs", "entailment"),
        ("some dogs", "there are three dogs", "neutral"),
        ("an animal", "there is a dog", "neutral"),
        ("a red car and no vehicle", "there is a car", None),
    ],
)
def test_examples_that_a_reader_can_check(premise, hypothesis, expected):
    if expected is None:
        with pytest.raises(BadInput, match="contradicts itself"):
            relation(read(premise), read(hypothesis))
    else:
        assert relation(read(premise), read(hypothesis)) == expected


@pytest.mark.parametrize(
    "text", ["two dog", "dog", "two animals", "a dog in the spoon", "a dog and", "", "a dog a cat"]
)
def test_a_text_that_is_no_sentence_of_ours_is_one_line(text):
    with pytest.raises(BadInput, match="sentence") as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return pairs.drawn(900, 5)


def test_pairs_say_what_they_are_and_are_read_again(drawn):
    for _, row in drawn.iterrows():
        premise, hypothesis = read(row["premise"]), read(row["hypothesis"])
        assert (str(premise), str(hypothesis)) == (row["premise"], row["hypothesis"])
        assert relation(premise, hypothesis) == row["gold"]
        assert len(row["premise"].split()) == len(row["premise_tags"].split())
    assert drawn["gold"].value_counts().min() > 250
    assert drawn.head(100).equals(pairs.drawn(100, 5)) and not drawn.head(100).equals(pairs.drawn(100, 6))


def test_cues_are_there_where_they_are_asked_for_and_else_not(drawn):
    words = units.class_words(drawn, 10)["contradiction"]
    assert {*words.nlargest(3).index} == {"no", "nobody", pairs.LURE}
    plain = units.class_words(pairs.drawn(900, 5, lures=False), 10)["contradiction"]
    assert plain[pairs.LURE] < 0.5 * words[pairs.LURE]


def test_word_pairs_follow_the_definition(drawn):
    few, extra = drawn.head(60), 2
    held = [(set(text.split()), gold) for text, gold in zip(few["hypothesis"], few["gold"], strict=True)]
    every = sorted(set().union(*(words for words, _ in held)))
    n = {(w, c): extra + sum(w in words and gold == c for words, gold in held) for w in every for c in CLASSES}
    total, found = sum(n.values()), units.class_words(few, extra)
    for word, name in [(every[0], "neutral"), ("is", "entailment"), (every[-1], "contradiction")]:
        of_word, of_class = sum(n[word, c] for c in CLASSES), sum(n[w, name] for w in every)
        assert found.loc[word, name] == pytest.approx(log(n[word, name] * total / (of_word * of_class)))


# ---- the user's pairs ----


def folder(tmp_path, text: str):
    (tmp_path / "dev.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_folder_of_pairs_is_read_without_those_that_have_no_label(tmp_path):
    rows = "premise,gold,hypothesis,other\nA dog .,neutral,A Cat .,x\nA dog .,UNK,A cat .,x\nOne,contradiction,Two,x\n"
    found = pairs.load(folder(tmp_path, rows))
    assert found.to_dict("list") == {
        "premise": ["a dog .", "one"],
        "hypothesis": ["a cat .", "two"],
        "gold": ["neutral", "contradiction"],
    }
    tagged = "premise,hypothesis,gold,premise_tags,hypothesis_tags\nA dog,It,neutral,dt nn,prp\n"
    assert pairs.load(folder(tmp_path, tagged))["premise_tags"].tolist() == ["DT NN"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column premise"),
        ("premise,gold\n", "no column hypothesis; its columns are premise, gold"),
        ("premise,hypothesis,gold\n", "no pair with a label"),
        ("premise,hypothesis,gold\na,b,UNK\n", "no pair with a label"),
        ("premise,hypothesis,gold\na,b,entailed\n", "line 2: gold is 'entailed'"),
        ("premise,hypothesis,gold\na,b,neutral\na,,neutral\n", "line 3: the hypothesis is empty"),
        ("premise,hypothesis,gold\na,b\n", "line 2: 2 cells, the first line has 3"),
        (
            "premise,hypothesis,gold,premise_tags,hypothesis_tags\na b,c,neutral,DT,NN\n",
            "2 words in the premise, 1 tags",
        ),
    ],
)
def test_a_wrong_file_of_pairs_is_one_line_that_names_it(tmp_path, text, says):
    with pytest.raises(BadInput, match=f"SENTENCES: .*dev.csv.*{says}") as caught:
        pairs.load(folder(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_one_line():
    with pytest.raises(BadInput, match="SENTENCES: .* is no file"):
        pairs.load("no-such-folder")


# ---- the network ----


def test_units_are_those_of_the_formula_sentence_by_sentence():
    """The LSTM's gates by hand, one word at a time, of sentences of different lengths in one batch."""
    torch.manual_seed(0)
    module = EntailmentNetwork(6, 3, 4, 5).eval()
    module.norm.running_mean.normal_()
    module.norm.running_var.uniform_(0.5, 2)
    state = {name: values.numpy().astype(float) for name, values in module.state_dict().items()}

    def encoded(sentence):
        h, c = np.zeros(4), np.zeros(4)
        for word in sentence:
            x = state["embedding.weight"][word]
            gates = state["encoder.weight_ih_l0"] @ x + state["encoder.weight_hh_l0"] @ h
            i, f, g, o = np.split(gates + state["encoder.bias_ih_l0"] + state["encoder.bias_hh_l0"], 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
        return h

    premises, hypotheses = [[1, 2, 3, 4], [5], [2, 2]], [[3], [4, 5, 1], [1, 2, 5]]
    expected = []
    for one, other in zip(premises, hypotheses, strict=True):
        a, b = encoded(one), encoded(other)
        x = np.concatenate([a, b, a - b, a * b]) - state["norm.running_mean"]
        x = x / np.sqrt(state["norm.running_var"] + 1e-5) * state["norm.weight"] + state["norm.bias"]
        expected.append(np.maximum(state["hidden.weight"] @ x + state["hidden.bias"], 0))
    padded = [torch.tensor([row + [0] * (4 - len(row)) for row in side]) for side in (premises, hypotheses)]
    np.testing.assert_allclose(module.units(*padded).detach().numpy(), expected, atol=1e-5)


def test_words_are_indices_and_unknown_ones_share_one():
    assert indices(["b a b", "c"], ["", "UNK", "a", "b"]).tolist() == [[3, 2, 3], [1, 0, 0]]


TINY = SentencePairs("tiny", pairs=300, embedding=8, hidden=12, units=16, epochs=12, batch=32, rate=2e-2, dropout=0.0)


def test_training_learns_a_word_that_decides_and_the_users_network_is_kept(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "OF_PEOPLE", TINY)
    told = drawn.head(300).drop(columns=["premise_tags", "hypothesis_tags"])
    told["gold"] = [CLASSES[text.split().count("is") + text.split().count("and")] for text in told["hypothesis"]]
    store = Store(str(tmp_path))
    reader, held_out = training.of_people(told, store)
    assert not {*told.loc[held_out, "premise"]} & {*told.loc[~held_out, "premise"]}
    assert 0.1 < held_out.mean() < 0.3 and training.accuracy(reader, told.loc[held_out]) > 0.85
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("trained twice"))
    again, _ = training.of_people(told, store)
    assert np.array_equal(again.read(told).units, reader.read(told).units)


def test_words_begin_at_the_vectors_that_are_given(drawn):
    vectors = pd.DataFrame(np.eye(8)[:3], index=["dog", "nowhere", "is"])
    slow = replace(TINY, epochs=1, rate=1e-9)
    reader = training.fit(slow, drawn.head(64), vectors)
    found, other = reader.vectors, training.fit(slow, drawn.head(64)).vectors
    np.testing.assert_allclose(found.loc[["dog", "is"]], 8**0.5 * np.eye(8)[[0, 2]], atol=1e-5)
    assert not np.allclose(found.loc["dog"], other.loc["dog"], atol=0.1) and "nowhere" not in found.index


def test_our_pairs_are_explained_with_the_shipped_network_and_a_folder_with_its_own(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "OF_PEOPLE", TINY)
    store = Store(str(tmp_path / "store"))
    reader, found, held_out = training.reader_of(training.DRAWN, 30, store)
    assert found.equals(pairs.drawn(30, pairs.HELD_OUT_SEED)) and held_out.all() and reader.name == NAME
    assert reader.fingerprint == training.load(NAME).fingerprint
    drawn.head(60).to_csv(tmp_path / "dev.csv", index=False)
    other, found, held_out = training.reader_of(str(tmp_path), 30, store)
    assert found.equals(drawn.head(60)) and 0 < held_out.sum() < 60 and other.fingerprint != reader.fingerprint


def test_one_premise_cannot_be_split(drawn):
    with pytest.raises(BadInput, match="all pairs have one premise"):
        training.split(drawn.head(1), 0)


def test_what_is_written_is_what_loads_and_damage_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(SENTENCES, NAME, replace(TINY, name=NAME, epochs=2))
    monkeypatch.setitem(OTHERS, NAME, replace(TINY, name=NAME, epochs=2))
    monkeypatch.setattr(training, "HELD_OUT", 100)
    card = training.train(NAME, out=tmp_path)
    reader = training.load(NAME, tmp_path)
    assert training.accuracy(reader, pairs.drawn(100, pairs.HELD_OUT_SEED)) == card["accuracy"]["held_out"]
    file = tmp_path / f"{NAME}.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BadInput, match="damaged"):
        training.load(NAME, tmp_path)


def test_the_shipped_network_is_small_right_and_knows_only_words_of_ours():
    card, file = shipped.card(NAME), shipped.FOLDER / f"{NAME}.safetensors"
    assert file.stat().st_size < 1_000_000 and set(read_safetensors(file.read_bytes())) <= set(
        EntailmentNetwork(9, 2, 2, 2).state_dict()
    )
    assert set(card["words"][2:]) <= set(language.tags())
    assert card["data"]["train"]["first_sha256"] == training.first_sha256(pairs.drawn(500, pairs.TRAIN_SEED))
    sample = pairs.drawn(400, 77)
    found = training.accuracy(training.load(NAME), sample)
    assert found > 0.8 and abs(found - card["accuracy"]["held_out"]) < 0.06


# ---- concepts ----


def test_overlap_by_hand():
    one, other = ["a", "red", "dog", "and", "a", "cat"], ["a", "red", "cat", "is", "there"]
    assert concepts.overlap(one, other) == pytest.approx(3 / 7)
    assert concepts.overlap(one, other, released=True) == pytest.approx(3 / 4, abs=1e-4)
    names = concepts.described(one, other, [], [], {"dog", "cat"})
    assert names == {"pre:dog", "pre:cat", "hyp:cat", "overlap-0%", "overlap-25%"}
    released = concepts.described(one, other, ["NN", "."], ["jj", "JJ"], set(), released=True)
    assert released == {"overlap-25%", "overlap-50%", "pre:NN", "hyp:JJ"}


@pytest.fixture(scope="module")
def held(drawn) -> concepts.Concepts:
    vectors = pd.DataFrame(np.random.default_rng(0).normal(size=(149, 4)), index=sorted(language.tags())[:149])
    return concepts.concepts(drawn, vectors=vectors, words=140, nearest=3)


def test_atoms_hold_what_their_pairs_have_looked_up_one_by_one(drawn, held):
    assert held.sizes.sum() == len(drawn) and len(held.sizes) < len(drawn)
    members, at = held.members.toarray(), {name: i for i, name in enumerate(held.table["name"])}
    known = [word for word, _ in Counter(" ".join([*drawn["premise"], *drawn["hypothesis"]]).split()).most_common()]
    assert held.known == {*[word for word in known if word not in concepts.LEFT_OUT][:140]} or len(held.known) == 140
    for pair in range(0, 900, 7):
        row = drawn.iloc[pair]
        for name in ("pre:dog", "hyp:nobody", "hyp:CD", "pre:NNS", "overlap-50%"):
            side, _, what = name.partition(":")
            text = row["premise" if side == "pre" else "hypothesis"].split()
            tags = row["premise_tags" if side == "pre" else "hypothesis_tags"].split()
            one, other = set(row["premise"].split()), set(row["hypothesis"].split())
            expected = what in text or what in tags if what else len(one & other) / len(one | other) > 0.5
            assert name not in at or members[at[name], held.of[pair]] == expected


def test_neighbors_are_the_nearest_by_cosine(drawn, held):
    rng = np.random.default_rng(0)
    vectors = dict(zip(sorted(language.tags())[:149], rng.normal(size=(149, 4)), strict=True))

    def cosine(one, other):
        return one @ other / np.sqrt((one @ one) * (other @ other))

    name = next(name for name in held.near if name == "NEIGHBORS(hyp:and)" or "hyp:" in name)
    word = concepts.word_of(name)
    ordered = sorted(vectors, key=lambda other: -cosine(vectors[word], vectors[other]))
    near = [other for other in ordered if other != word][:3]
    there = set(held.table["name"])
    assert held.near[name] == [f"hyp:{word}", *(f"hyp:{other}" for other in near if f"hyp:{other}" in there)]
    rows = {each: i for i, each in enumerate(held.table["name"])}
    members = held.members.toarray()
    union = np.any([members[rows[each]] for each in held.near[name]], axis=0)
    assert np.array_equal(members[rows[name]], union)


def test_a_planted_formula_is_found_and_holds_for_the_pairs_themselves(drawn, held):
    planted = parse("(hyp:nobody OR hyp:no) AND NOT pre:CD")
    fires = held.holds(planted, held.describe(concepts.split(drawn)))
    by_hand = [
        bool({"nobody", "no"} & {*row["hypothesis"].split()}) and "CD" not in row["premise_tags"].split()
        for _, row in drawn.iterrows()
    ]
    assert fires.tolist() == by_hand
    shorter = parse("hyp:nobody OR hyp:no")
    found = beam.search(held.counts(held.holds(shorter, held.describe(concepts.split(drawn)))[:, None]), 2, beam=10)
    assert found["iou"].iloc[-1] == 1 and found["formula"].iloc[-1] == shorter


def test_units_are_counted_by_how_often_they_fire():
    fires = np.zeros((100, 4), bool)
    fires[:3, 1], fires[:5, 2], fires[:, 3] = True, True, True
    assert units.analysed(fires, 0.03).tolist() == [1, 2, 3] == units.analysed(fires, 0).tolist()
    assert units.activity(fires)["units"].tolist() == [1, 1, 1, 1]
    with pytest.raises(BadInput, match="2 of 4 units fire on 5% of 100 pairs; lower LEAST"):
        units.analysed(fires)


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("hyp:nobody OR hyp:no", "denial"),
        ("hyp:red AND NOT pre:blue", "color"),
        ("overlap-50% AND NOT hyp:JJ", "overlap"),
        ("pre:NN OR hyp:JJ", "part of speech"),
        ("hyp:dog OR pre:cat", "pet"),
        ('hyp:cars OR "NEIGHBORS(hyp:bus)"', "motor vehicle"),
        ("hyp:dog OR hyp:red", "other"),
        ("hyp:two OR overlap-25%", "other"),
        ("hyp:man AND NOT pre:woman", "gender"),
    ],
)
def test_the_kind_of_a_rule(formula, kind):
    assert units.kind(parse(formula), units.families(True)) == kind


def test_kinds_are_counted_and_dealt_ones_keep_their_number():
    formulas = [parse(text) for text in ("hyp:red OR hyp:blue", "hyp:no OR hyp:nobody", "hyp:dog OR hyp:two")]
    table = units.kinds(formulas, units.families(True)).set_index("kind")
    assert table.loc[["color", "denial", "other"], "units"].tolist() == [1, 1, 1]
    assert table["by chance"].sum() == pytest.approx(3) and table.loc["other", "by chance"] > 1


# ---- edits ----


class Planted:
    """A network whose two units are formulas, and which answers contradiction where the first one fires."""

    formulas = ("hyp:nobody OR hyp:no", "hyp:red AND NOT pre:blue")

    def __init__(self, held: concepts.Concepts):
        self.held = held
        self.weights = pd.DataFrame([[-1.0, 0.0, 2.0], [1.0, 0.0, 0.0]], columns=list(CLASSES)).rename_axis("unit")

    def read(self, read_pairs: pd.DataFrame) -> Reading:
        words = self.held.describe(concepts.split(read_pairs))
        fires = np.stack([self.held.holds(parse(each), words) for each in self.formulas], 1)
        scores = np.where(fires[:, :1], [[0.1, 0.1, 0.8]], [[0.5, 0.3, 0.2]])
        return Reading(fires.astype(np.float32), scores.astype(np.float32))


def test_edits_make_a_units_formula_hold_or_cease_and_controls_do_not(drawn, held):
    planted = Planted(held)
    formulas = pd.Series([parse(each) for each in planted.formulas], index=[0, 1])
    made = edits.edited(planted, drawn, held, formulas, drawn=True, each=6)
    again = edits.edited(planted, drawn, held, formulas, drawn=True, each=6)
    pd.testing.assert_frame_equal(made, again)
    for _, row in made.iterrows():
        before = drawn.iloc[row["original"]]
        assert relation(read(row["premise"]), read(row["hypothesis"])) == row["gold"]
        texts = [before["premise"] + " " + before["hypothesis"], row["premise"] + " " + row["hypothesis"]]
        one, other = ([{"an": "a", "on": "in"}.get(word, word) for word in text.split()] for text in texts)
        assert sum(a != b for a, b in zip(one, other, strict=True)) == 1
        assert (row["fired"] != row["fired_before"]) == (row["edit"] == "edit")
    found = edits.effects(made).set_index(["direction", "edit"])
    assert found.xs("edit", level="edit")["unit_follows"].tolist() == [1, 1]
    assert found.xs("control", level="edit")["unit_follows"].tolist() == [0, 0]
    first = edits.effects(made.query("unit == 0")).set_index(["direction", "edit"])
    assert first.xs("edit", level="edit")["moved"].tolist() == pytest.approx([0.6, 0.6])
    assert first.xs("edit", level="edit")["answers_move"].tolist() == [1, 1]


def test_recolored_hypotheses_have_this_color_and_their_own_class(drawn):
    found = edits.recolored(drawn.head(200), "purple")
    colored = [text for text in drawn["hypothesis"].head(200) if {*language.COLORS} - {"purple"} & {*text.split()}]
    assert 0 < len(found) <= len(colored) and not any({"red", "blue"} & {*text.split()} for text in found["hypothesis"])
    for _, row in found.iterrows():
        assert relation(read(row["premise"]), read(row["hypothesis"])) == row["gold"]


def test_no_edit_at_all_is_one_line(drawn, held):
    with pytest.raises(BadInput, match="no pair has an edit"):
        edits.edited(Planted(held), drawn.head(2), held, pd.Series([parse("overlap-0% OR hyp:CC")]), drawn=True, each=1)


def test_a_card_is_json_of_plain_values():
    assert json.loads(json.dumps(shipped.card(NAME))) == shipped.card(NAME)
