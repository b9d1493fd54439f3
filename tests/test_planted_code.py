"""A planted code: its likelihoods are those of its channel and its words, and a translation of it is right or wrong."""

import pytest
import torch
from scipy import stats

from n2vlib.agents import planted
from n2vlib.agents.planted import KINDS, LANGUAGES, OTHER, OWN, SHARED, SYNONYM, VAGUE, Language, Planted, recovered
from n2vlib.errors import BadInput


def drawn(language: Language, seed: int = 0) -> Planted:
    return Planted.draw(language, 8, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LANGUAGES)
def test_words_are_probabilities_and_each_meaning_has_a_word_of_its_own(name):
    made = drawn(LANGUAGES[name])
    assert torch.allclose(made.words.sum(1), torch.ones(30).double()) and made.prior.sum() == pytest.approx(1)
    assert (made.kinds == OWN).sum(1).eq(1).all() and (made.kinds == OWN).sum(0).max() == 1
    assert made.book.norm(dim=1).tolist() == pytest.approx([1] * 30)
    for word in range(made.words.shape[1]):
        kinds = set(made.kinds[:, word].tolist()) - {OTHER}
        assert len(kinds) == 1
        holders = (made.kinds[:, word] != OTHER).sum()
        assert holders == {OWN: 1, SYNONYM: 1, SHARED: 2, VAGUE: 30}[kinds.pop()]


def test_a_word_is_as_frequent_as_the_language_says():
    made = drawn(Language(meanings=10, vague=0.3, synonyms=1, slips=0.1))
    floor = 0.1 / 21  # any of 21 words is a slip
    for meaning in range(10):
        kinds, shares = made.kinds[meaning].tolist(), made.words[meaning].tolist()
        of_kind = dict(zip(kinds, shares, strict=True))
        assert of_kind[VAGUE] == pytest.approx(0.3 + floor) and of_kind[OTHER] == pytest.approx(floor)
        assert of_kind[OWN] == pytest.approx(0.6 * 2 / 3 + floor) and of_kind[SYNONYM] == pytest.approx(0.2 + floor)
    assert (drawn(Language(shared=1, slips=0)).kinds == SHARED).sum(1).tolist() == [1] * 30


def test_log_p_of_a_code_is_that_of_the_noise():
    made, draws = drawn(Language(meanings=5)), torch.Generator().manual_seed(1)
    codes = made.say(torch.tensor([3, 0]), 0.2, draws)
    slow = [[stats.norm.logpdf(code, book, 0.2).sum() for book in made.book.numpy()] for code in codes.numpy()]
    assert torch.allclose(made.log_codes(codes, 0.2), torch.tensor(slow))
    squares = [[float((code - book) @ (code - book)) for book in made.book] for code in codes]
    assert torch.allclose(made.log_codes(codes, 0.2, "released"), -torch.tensor(squares).double())


def test_with_little_noise_belief_is_right_and_a_row_is_a_message():
    for to in planted.TO:
        rows = recovered(Language(), (0.02,), range(2), to=to, states=512, messages=50)
        assert rows.groupby(["seed", "noise", "translation"]).size().tolist() == [50] * 8
        share = dict(rows.groupby("translation")["right"].mean())
        assert share["belief"] == share["known code"] == 1 and share["random"] < 0.25
        table = planted.summary(rows)
        assert (table["low"] <= table["right"]).all() and (table["high"] >= table["right"]).all()


def test_direct_translation_takes_the_word_for_everything_and_belief_does_not():
    rows = recovered(LANGUAGES["a word for everything"], (0.05,), range(2), ("direct", "pmi", "belief"))
    chosen = rows.groupby("translation")["chosen"].agg(set)
    assert chosen["direct"] == {KINDS[VAGUE]} and chosen["belief"] == chosen["pmi"] == {KINDS[OWN]}


def test_belief_does_not_ask_which_of_two_synonyms_is_common():
    rows = recovered(LANGUAGES["synonyms"], (0.1,), range(2), ("direct", "belief"), density="released")
    rows = rows[rows["right"]]
    rare = dict((rows["chosen"] == KINDS[SYNONYM]).groupby(rows["translation"]).mean())
    assert rare["direct"] == 0 and rare["belief"] > 0.1


def test_the_same_messages_are_given_to_every_translation():
    one = recovered(Language(), (0.3,), [4], ("belief",))
    both = recovered(Language(), (0.3,), [4], ("direct", "belief"))
    assert one["right"].tolist() == both.loc[both["translation"] == "belief", "right"].tolist()


def test_one_number_is_varied_at_a_time():
    rows = planted.varied("meanings", (3, 12), Language(), 0.3, [0], translations=("belief", "random"), messages=30)
    same = recovered(Language(meanings=12), (0.3,), [0], ("belief", "random"), messages=30)
    assert rows.loc[rows["meanings"] == 12].drop(columns="meanings").reset_index(drop=True).equals(same)
    few = planted.varied("states", (2, 500), Language(), 0.1, range(2), translations=("belief",))
    share = planted.summary(few, ("states", "translation"))["right"].tolist()
    assert share[0] < 0.5 < 0.95 < share[1]
    with pytest.raises(BadInput, match="what 'words' is none"):
        planted.varied("words", (3,), Language(), 0.3, [0])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"translations": ("beliefs",)}, "translation 'beliefs' is none of"),
        ({"noises": (0.0,)}, "all above 0"),
        ({"to": "phrases"}, "to 'phrases' is none of words, codes"),
        ({"density": "normal"}, "density 'normal'"),
        ({"language": Language(vague=0.99)}, "less than all of it"),
        ({"weights": "any"}, "weights 'any'"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, says):
    with pytest.raises(BadInput, match=says) as caught:
        recovered(**({"language": Language(), "noises": (0.3,), "seeds": [0]} | options))
    assert "\n" not in str(caught.value)
