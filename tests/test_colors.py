"""Colors with names: the survey's names drawn around by a stated rule, and the paper's corpus read from a folder."""

import colorsys

import numpy as np
import pytest
import torch

from n2vlib.errors import BadInput
from n2vlib.games import colors
from n2vlib.games.game import FOLDS


@pytest.fixture(scope="module")
def survey():
    return colors.survey(0)


def test_a_rival_shares_no_word():
    names = [["green"], ["dark", "green"], ["olive"], ["dark", "red"]]
    centres = np.array([[0, 0.7, 0], [0, 0.4, 0], [0.4, 0.5, 0], [0.5, 0, 0]])
    for i, name in enumerate(names):
        distances = [
            sum((a - b) ** 2 for a, b in zip(centres[i], centres[j], strict=True)) ** 0.5
            for j, other in enumerate(names)
            if not any(word in other for word in name)
        ]
        assert colors.spreads(names, centres)[i] == pytest.approx(min(distances))
    assert colors.spreads([["a"], ["b"]], np.zeros((2, 3))).tolist() == [colors.NEAREST] * 2


def test_words_of_the_lexicon_are_common_and_not_vulgar():
    assert colors.words("Blue-green") == colors.words("blue/green") == ["blue", "green"]
    names = (
        [["sea", "green"], ["sea", "blue"], ["sea"], ["sea", "sea"], ["sea", "shit"]] + [["shit"]] * 5 + [["blue"]] * 3
    )
    assert colors.lexicon_of(names) == ["sea"]


def test_the_survey_draws_as_many_colors_of_every_name(survey):
    from matplotlib.colors import XKCD_COLORS

    names = [each.removeprefix("xkcd:").replace("-", " ").replace("/", " ").split() for each in XKCD_COLORS]
    for word in survey.lexicon:
        assert sum(word in name for name in names) >= 5
    kept = [[word for word in dict.fromkeys(name) if word in survey.lexicon] for name in names]
    kept = [name for name in kept if name]
    assert len(survey.things) == colors.PER_NAME * len(kept)
    folds = {fold: set(rows.tolist()) for fold, rows in survey.folds.items()}
    for i in range(0, len(kept), 29):
        shares = {word: 1 / len(kept[i]) for word in kept[i]}
        rows = survey.names[colors.PER_NAME * i : colors.PER_NAME * (i + 1)]
        for row in rows:
            assert {survey.lexicon[j]: float(row[j]) for j in row.nonzero()[:, 0]} == pytest.approx(shares)
        its = set(range(colors.PER_NAME * i, colors.PER_NAME * (i + 1)))
        assert [len(its & folds[fold]) for fold in FOLDS] == [8, 1, 1]


def test_its_colors_lie_around_the_listed_one(survey):
    from matplotlib.colors import XKCD_COLORS, to_rgb

    drawn = colors.survey(1, per_name=200)
    names = [colors.words(each.removeprefix("xkcd:")) for each in XKCD_COLORS]
    kept = [name for name in names if set(name) & set(survey.lexicon)]
    centres = np.array([to_rgb(each) for each in XKCD_COLORS.values()])
    spread = colors.spreads(names, centres)
    i, k = names.index(["dull", "green"]), kept.index(["dull", "green"])  # far from the edges of what a screen shows
    some = np.array([colorsys.hsv_to_rgb(*each) for each in drawn.things[200 * k : 200 * (k + 1)].tolist()])
    assert some.mean(0) == pytest.approx(centres[i], abs=3 * spread[i] / 200**0.5)
    assert ((some - centres[i]) ** 2).sum(1).mean() ** 0.5 == pytest.approx(spread[i], rel=0.15)
    assert drawn.things.min() >= 0 and drawn.things.max() <= 1


def test_the_same_seed_draws_the_same_colors(survey):
    again, other = colors.survey(0), colors.survey(1)
    assert again.things.equal(survey.things) and again.origin == survey.origin
    assert not other.things.equal(survey.things) and other.origin != survey.origin
    assert colors.named("survey", 5).origin == survey.origin  # whatever a chapter's SEED, the zoo's agents fit


def test_a_color_of_a_page():
    assert colors.hexadecimal(torch.tensor([0.0, 1.0, 1.0])) == "#ff0000"
    assert colors.hexadecimal(torch.tensor([1 / 3, 1.0, 0.5])) == "#008000"


@pytest.fixture
def corpus(tmp_path):
    """Eleven names in the layout of the released corpus; "sea" and "green" are in five each, colors are made up."""
    rng = np.random.default_rng(0)
    names = ["sea-green", "green", "lime green", "moss green", "deep green", "sea", "sea blue", "sea mist", "deep sea"]
    names += ["teal", "shit"]
    (tmp_path / "train").mkdir()
    lines = []
    for name in names:
        file = name.replace(" ", "").replace("-", "")
        lines.append(f"{name},{file}\n")
        for channel in "hsv":
            numbers = rng.random(20 if name == "green" else 10)
            (tmp_path / "train" / f"{file}.{channel}_train").write_text("".join(f"{each:.12g}\n" for each in numbers))
    (tmp_path / "corpusindex.txt").write_text("".join(lines))
    return tmp_path


def test_the_papers_corpus_is_read(corpus):
    game = colors.corpus(corpus)
    assert game.lexicon == ["green", "sea"]
    assert {key: len(rows) for key, rows in game.folds.items()} == {"train": 80, "validation": 10, "test": 10}
    first = [float((corpus / "train" / f"seagreen.{channel}_train").read_text().split()[9]) for channel in "hsv"]
    assert game.things[9].tolist() == pytest.approx(first)  # in order of the index; its tenth color is for the test
    assert game.folds["test"][0] == 9 and game.folds["validation"][0] == 8
    assert game.names[9].tolist() == [0.5, 0.5] and game.names[10].tolist() == [1, 0]
    assert game.folds["validation"][1:3].tolist() == [10 + 16, 10 + 17]  # of the twenty of "green"
    few = colors.named(str(corpus), 3)
    assert few.things.equal(game.things)


def test_of_a_large_corpus_a_sample_is_kept(corpus):
    game, some = colors.corpus(corpus), colors.corpus(corpus, most=60)
    rows = [game.things.tolist().index(each) for each in some.things.tolist()]
    assert len(rows) == 60 and rows == sorted(rows)
    for key in FOLDS:
        assert {rows[i] for i in some.folds[key]} == set(rows) & set(game.folds[key].tolist())
    assert some.names.equal(game.names[rows])


DAMAGE = [
    ("corpusindex.txt", None, "has no corpusindex.txt; give the folder `munroecorpus`"),
    ("corpusindex.txt", "", "has no names"),
    ("corpusindex.txt", "sea,sea\nsea,green\n", "corpusindex.txt, line 2: the name 'sea' is there twice"),
    ("corpusindex.txt", "sea\n", "corpusindex.txt, line 1: 'sea' must be NAME,FILE"),
    ("corpusindex.txt", "sea,../sea\n", "line 1: 'sea,../sea' must be NAME,FILE, the file without a folder"),
    ("corpusindex.txt", b"\xff\xfe", "corpusindex.txt: cannot be read as text"),
    ("train/sea.s_train", None, "sea.s_train: cannot be read as text: No such file"),
    ("train/sea.s_train", "0.5\n", "sea.*_train: 10 of h, 1 of s, 10 of v; a color needs one of each"),
    ("train/sea.h_train", "0.5\nred\n", "sea.h_train, line 2: 'red' must be a number"),
    ("train/sea.h_train", "0.5\nnan\n", "sea.h_train, line 2: nan must be from 0 to 1"),
    ("train/sea.h_train", "0.5\n240\n", "sea.h_train, line 2: 240 must be from 0 to 1"),
    ("train/sea.h_train", "0.5 0.5\n", "sea.h_train, line 1: '0.5 0.5' must be a number"),
    ("corpusindex.txt", "sea,sea\n", "colors: the lexicon is empty"),
]


@pytest.mark.parametrize(("file", "content", "message"), DAMAGE, ids=[each[2][-25:] for each in DAMAGE])
def test_damage_is_named_in_one_line(corpus, file, content, message):
    path = corpus / file
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput) as error:
        colors.corpus(corpus)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_without_matplotlib_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.colors", None)
    with pytest.raises(BadInput, match="pip install matplotlib"):
        colors.survey()
