"""A reference game of the user's things: read from files of features and captions, refused where they are damaged."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from n2vlib.errors import BadInput
from n2vlib.games import captioned, creatures
from n2vlib.games.captioned import bigrams, from_files

NAMES = [f"bird{k}.jpg" for k in range(12)]
VALUES = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
CAPTIONS = [
    (name, f"This bird has black wings and a {'red' if k % 2 else 'white'} crown.") for k, name in enumerate(NAMES)
]


def write(folder, ending=".csv", names=NAMES, values=VALUES):
    path = folder / f"features{ending}"
    if ending == ".npy":
        np.save(path, values)
        path.with_suffix(".txt").write_text("\n".join(names), encoding="utf-8")
    elif ending == ".safetensors":
        save_file({name: torch.tensor(row) for name, row in zip(names, values, strict=True)}, path)
    else:
        lines = [",".join([name, *map(repr, row.tolist())]) for name, row in zip(names, values, strict=True)]
        path.write_text("\n".join(["name,a,b,c,d,e", *lines]), encoding="utf-8")
    return path


def captions(folder, rows=CAPTIONS, ending=".tsv"):
    path = folder / f"captions{ending}"
    path.write_text("\n".join(("\t" if ending == ".tsv" else ",").join(row) for row in rows), encoding="utf-8")
    return path


def test_bigrams_are_two_words_side_by_side_without_stop_words():
    assert bigrams("This small brown bird, with LIGHT-brown wings.") == [
        "small brown", "brown bird", "light brown", "brown wings",
    ]  # fmt: skip
    assert bigrams("a bird with wings") == bigrams("") == []


def test_the_lexicon_is_the_most_frequent_phrases_in_a_fixed_order():
    said = [["b c", "a b"], ["b c"], ["c d", "a b"], ["e f"]]
    assert captioned.lexicon_of(said, 3) == ["a b", "b c", "c d"]


@pytest.mark.parametrize("ending", [".csv", ".npy", ".safetensors"])
def test_all_formats_give_the_same_game(tmp_path, ending):
    game = from_files(str(write(tmp_path, ending)), str(captions(tmp_path)))
    order = sorted(range(12), key=lambda k: NAMES[k]) if ending == ".safetensors" else range(12)
    values = VALUES[list(order)].astype(float)
    assert np.allclose(game.things, (values - values.mean(0)) / values.std(0), atol=1e-5)
    assert set(game.lexicon) == {"bird has", "black wings", "red crown", "white crown"} - {"bird has"}
    for row, k in enumerate(order):
        words = {"black wings", "red crown" if k % 2 else "white crown"}
        assert {word for word, share in zip(game.lexicon, game.names[row], strict=True) if share} == words
        assert game.names[row].sum() == pytest.approx(1)
    assert sorted(torch.cat(list(game.folds.values())).tolist()) == list(range(12))


def test_long_features_are_projected_and_standardised(tmp_path):
    game = from_files(str(write(tmp_path)), str(captions(tmp_path)), size=3)
    assert game.things.shape == (12, 3)
    assert torch.allclose(game.things.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(game.things.std(0, correction=0), torch.ones(3), atol=1e-4)


def test_folds_may_be_given_and_things_without_a_phrase_are_left_out(tmp_path):
    folds = ["train", "validation", "test"] * 4
    rows = [(*row, fold) for row, fold in zip(CAPTIONS, folds, strict=True)]
    rows[3] = (NAMES[3], "a bird", "train")
    rows += [(NAMES[0], "it has a purple tail", "train")]
    game = from_files(str(write(tmp_path)), str(captions(tmp_path, rows)))
    assert len(game.things) == 11
    assert [len(game.folds[fold]) for fold in ("train", "validation", "test")] == [3, 4, 4]
    assert game.names[0].count_nonzero() == 3
    assert game.names[0, game.lexicon.index("purple tail")] == pytest.approx(1 / 3)


def test_no_phrase_comes_from_captions_that_are_not_for_training(tmp_path):
    rows = [(*row, "train" if k < 8 else "test" if k < 10 else "validation") for k, row in enumerate(CAPTIONS)]
    rows[9] = (NAMES[9], "black wings, green belly", "test")
    game = from_files(str(write(tmp_path)), str(captions(tmp_path, rows, ".tsv")))
    assert "green belly" not in game.lexicon


def test_phrases_of_creatures_come_back_from_captions(tmp_path):
    """Descriptions written as sentences: the lexicon and every description are found again."""
    table = creatures.attributes(400, 5)
    bags = creatures.describe(table, 5)
    names = [f"creature{k:03d}" for k in range(400)]
    phrases = [[creatures.LEXICON[k] for k in np.flatnonzero(bag)] for bag in bags]
    rows = [(name, f"This is a {' and a '.join(each)}.") for name, each in zip(names, phrases, strict=True)]
    values = np.random.default_rng(1).normal(size=(400, 3))
    game = from_files(str(write(tmp_path, ".npy", names, values)), str(captions(tmp_path, rows)))
    assert set(game.lexicon) == set(creatures.LEXICON)
    order = [game.lexicon.index(phrase) for phrase in creatures.LEXICON]
    assert torch.allclose(game.names[:, order], torch.from_numpy(bags))
    assert [len(game.folds[fold]) for fold in ("train", "validation", "test")] == [240, 80, 80]


def refused(tmp_path, features, words):
    with pytest.raises(BadInput) as error:
        from_files(str(features), str(words))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "has no captions"),
        ([("nobody.jpg", "black wings")], "line 1: 'nobody.jpg' is not in FEATURES; "),
        ([("name", "caption"), (NAMES[0],)], "line 2: 1 cells"),
        ([(NAMES[0], "black wings", "trian")], "the fold 'trian' is none of train"),
        ([(NAMES[0], "black wings", "train"), (NAMES[0], "red crown", "test")], "in the fold train, too"),
        ([(name, "a bird") for name in NAMES], "stand together"),
        (CAPTIONS[:2], "things: 0 things for validation; give two at least"),
    ],
)  # fmt: skip
def test_damaged_captions_are_refused_in_one_line(tmp_path, rows, says):
    assert says in refused(tmp_path, write(tmp_path), captions(tmp_path, rows))


def test_captions_of_another_kind_are_refused(tmp_path):
    features = write(tmp_path)
    assert "ends in .tsv or .csv" in refused(tmp_path, features, tmp_path / "captions.json")
    assert "no such file" in refused(tmp_path, features, tmp_path / "captions.tsv")
    (tmp_path / "captions.tsv").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in refused(tmp_path, features, tmp_path / "captions.tsv")
    (tmp_path / "captions.csv").write_text('a,"b', encoding="utf-8")
    assert "cannot be read as UTF-8 CSV" in refused(tmp_path, features, tmp_path / "captions.csv")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "has no features"),
        ("name,a", "has no features"),
        ("x.jpg", "has no features"),
        ("x.jpg,1,2\ny.jpg,1", "line 2: 1 numbers, the first has 2"),
        ("x.jpg,1,two", "line 1: 'two' must be a number"),
        ("x.jpg,1,nan", "must be a number"),
        ("x.jpg,1\nx.jpg,2", "'x.jpg' is there twice"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(tmp_path, lines, says):
    (tmp_path / "features.csv").write_text(lines, encoding="utf-8")
    assert says in refused(tmp_path, tmp_path / "features.csv", captions(tmp_path))


def test_damaged_arrays_are_refused_in_one_line(tmp_path):
    words, path = captions(tmp_path), write(tmp_path, ".npy")
    content = path.read_bytes()
    for damaged in (content[:-4], content[:20], b"", b"PK\x03\x04"):
        path.write_bytes(damaged)
        assert str(path) in refused(tmp_path, path, words)
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    assert "cannot be read as .npy" in refused(tmp_path, path, words)
    for odd in (VALUES[0], VALUES.astype(complex), VALUES[:3]):
        np.save(path, odd)
        refused(tmp_path, path, words)
    np.save(path, np.full((12, 2), 1e300))
    assert "infinite or none" in refused(tmp_path, path, words)
    path.with_suffix(".txt").unlink()
    assert "write them into features.txt" in refused(tmp_path, path, words)


def test_damaged_safetensors_are_refused_in_one_line(tmp_path):
    words, path = captions(tmp_path), write(tmp_path, ".safetensors")
    path.write_bytes(path.read_bytes()[:40])
    assert "cannot be read as safetensors" in refused(tmp_path, path, words)
    save_file({"a": torch.zeros(3), "b": torch.zeros(4)}, path)
    assert "all must be vectors of one length" in refused(tmp_path, path, words)
    save_file({}, path)
    assert "has no features" in refused(tmp_path, path, words)
    assert "no such file" in refused(tmp_path, tmp_path / "other.npy", words)
    assert "must be a file that ends in" in refused(tmp_path, tmp_path / "other.pkl", words)
