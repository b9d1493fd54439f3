"""Other semantic spaces: our tree and co-occurrence against counts by hand, WordNet and Word2Vec from small files."""

import gc
import importlib.util
import struct
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from measured import probe_in
from scipy.linalg import sqrtm

from n2vlib import charts, spaces
from n2vlib.errors import BadInput
from n2vlib.probe.occurrences import presence
from n2vlib.spaces import drawn, word2vec, wordnet
from n2vlib.spaces.names import word
from n2vlib.world.catalog import CONCEPTS

WORLD = pd.DataFrame({number: {"name": name, "category": category} for number, name, category in CONCEPTS}).T
WORDS = pd.DataFrame(
    {"name": ["dog", "cat", "traffic light", "grey-c", "kitchen-s", "waffled", "gizmo"]}, index=[2, 3, 5, 7, 8, 9, 11]
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return probe_in(tmp_path_factory.mktemp("spaces"))


def cosines(space: pd.DataFrame) -> dict[tuple[int, int], float]:
    return {(i, j): float(space.loc[i] @ space.loc[j]) for i, j in combinations(space.index, 2)}


@pytest.mark.parametrize(
    ("name", "plain"),
    [("blue-c", "blue"), ("living_room-s", "living_room"), ("traffic light", "traffic_light"), ("dog", "dog")],
)
def test_a_concepts_word_is_its_name_without_brodens_ending(name, plain):
    assert word(name) == plain


# --- our tree


def test_every_concept_of_the_drawn_world_hangs_on_one_root():
    assert {drawn.ancestors(name)[-1] for name in WORLD["name"]} == {"entity"}
    assert "entity" not in drawn.tree()


def test_no_group_of_the_tree_is_empty():
    parents, names = set(drawn.tree().values()), set(WORLD["name"])
    assert set(drawn.tree()) - parents <= names, "every leaf is a concept of the world"


def test_cosines_of_the_tree_are_shared_ancestors_over_the_root_of_the_lengths():
    made = drawn.hypernyms(WORLD)
    lines = {number: set(drawn.ancestors(name)) for number, name in WORLD["name"].items()}
    some = list(made.index[::9])
    for i, j in combinations(some, 2):
        slow = len(lines[i] & lines[j]) / np.sqrt(len(lines[i]) * len(lines[j]))
        assert made.loc[i] @ made.loc[j] == pytest.approx(slow)


def test_names_that_the_tree_does_not_have_are_left_out():
    assert list(drawn.hypernyms(WORDS).index) == [2, 3, 5, 7, 8] == list(drawn.groups(WORDS).index)
    assert drawn.groups(WORDS)[2] == "pet"
    assert drawn.hypernyms(WORDS.loc[[11]]).empty


# --- co-occurrence


def test_which_images_hold_which_concepts_is_what_the_probe_set_says(probe):
    held = presence(probe, "val")
    for number in probe.concepts.index:
        assert held.index[held[number]].tolist() == probe.images_with(int(number), "val").tolist()


def test_shown_with_is_the_share_of_images_that_hold_the_other_less_its_share_of_all(probe):
    held = presence(probe, "train")
    found = drawn.shown_with(held)
    sets = {number: set(held.index[held[number]]) for number in held}
    for a, b in combinations(held.columns, 2):
        slow = len(sets[a] & sets[b]) / len(sets[a]) - len(sets[b]) / len(held)
        assert found.loc[a, b] == pytest.approx(slow)


def test_the_home_of_a_concept_is_the_scene_it_is_shown_with_most(probe):
    held = presence(probe, "train")
    homes = drawn.typical_scenes(probe)
    assert set(homes.index) == set(held.columns) - {8, 9} and set(homes) <= {"field-s", "town-s"}
    for number, home in homes.items():
        images = held[held[number]]
        gain = {name: images[scene].mean() - held[scene].mean() for scene, name in ((8, "field-s"), (9, "town-s"))}
        assert gain[home] == max(gain.values())


def test_positive_information_is_the_logarithm_of_together_over_chance(probe):
    held = presence(probe, "train")
    found = drawn.positive_information(held)
    count = Counter()
    for row in held.to_numpy():
        count.update((i, j) for i in np.flatnonzero(row) for j in np.flatnonzero(row))
    n = len(held)
    for i in range(held.shape[1]):
        for j in range(held.shape[1]):
            chance = count[i, i] * count[j, j] / n
            slow = max(0.0, np.log(count[i, j] / chance)) if i != j and count[i, j] else 0.0
            assert found[i, j] == pytest.approx(slow, abs=1e-12)


def test_co_occurrence_vectors_of_all_dimensions_have_the_cosines_of_the_root_of_the_squared_information(probe):
    made = drawn.co_occurrence(probe)
    held = presence(probe, "train")[made.index]
    information = drawn.positive_information(held)
    root = sqrtm(information @ information).real  # U S U^T for the symmetric U S' U^T
    slow = root / np.sqrt(np.outer(np.diag(root), np.diag(root)))
    assert made.to_numpy() @ made.to_numpy().T == pytest.approx(slow, abs=1e-6)


def test_a_concept_that_every_image_holds_has_no_co_occurrence_vector(probe):
    assert presence(probe, "train")[[1, 2]].all(axis=None)
    assert not {1, 2} & set(drawn.co_occurrence(probe).index)


def test_a_space_that_knows_too_few_of_the_concepts_is_left_out(probe):
    assert set(spaces.others(probe)) == set(), "ten concepts, and colors are everywhere"


# --- WordNet


class Synset:
    def __init__(self, name: str, *above: "Synset"):
        self._name, self._above = name, list(above)

    def name(self) -> str:
        return self._name

    def hypernyms(self) -> list["Synset"]:
        return self._above


class Fake:
    """The two calls we make of nltk's reader."""

    def __init__(self):
        entity = Synset("entity.n.01")
        animal, pet = Synset("animal.n.01", entity), Synset("pet.n.01", entity)
        self.dog = Synset("dog.n.01", animal, pet)
        self.lemmas = {"dog": [self.dog], "cat": [Synset("cat.n.01", animal)], "grey": [Synset("grey.v.01")]}
        self.lemmas |= {"traffic_light": [Synset("traffic_light.n.01", entity)], "waffled": [self.dog]}
        self.named = {"gray.n.01": Synset("gray.n.01", entity)}

    def synset(self, name: str) -> Synset:
        return self.named[name]

    def synsets(self, lemma: str) -> list[Synset]:
        return self.lemmas.get(lemma, [])


def test_a_wordnet_vector_is_of_the_first_synset_and_everything_above_it():
    made = wordnet.hypernyms(WORDS, "nowhere", Fake())
    assert list(made.index) == [2, 3, 5, 7], "kitchen and gizmo are unknown, waffled is taken out"
    lines = {number: set(made.columns[made.loc[number] > 0]) for number in made.index}
    assert lines[2] == {"dog.n.01", "animal.n.01", "pet.n.01", "entity.n.01"}, "both branches, the root once"
    assert lines[7] == {"gray.n.01", "entity.n.01"}, "replaced by hand"
    assert cosines(made)[2, 3] == pytest.approx(2 / np.sqrt(4 * 3))


def test_a_replacement_that_this_wordnet_does_not_have_falls_back_to_the_first_synset():
    reader = Fake()
    reader.named.clear()
    assert list(wordnet.hypernyms(WORDS.loc[[7]], "nowhere", reader).columns) == ["grey.v.01"]


def write_wordnet(folder, synsets: list[tuple[str, list[str], list[str]]]) -> None:
    """WordNet's own files with these noun synsets: (key, its words, keys of its hypernyms)."""
    notice = "  1 This is a test and no WordNet. WordNet 3.0 Copyright\n"
    head = {key: f" 03 n {len(words):02x} " + "".join(f"{w} 0 " for w in words) for key, words, _ in synsets}
    offsets, at = {}, len(notice)
    for key, _, above in synsets:
        offsets[key] = at
        at += 8 + len(head[key]) + 3 + len("  @ 00000000 n 0000"[1:]) * len(above) + len(" | a gloss  \n")
    data, index = notice, {}
    for key, words, above in synsets:
        pointers = "".join(f" @ {offsets[a]:08d} n 0000" for a in above)
        data += f"{offsets[key]:08d}{head[key]}{len(above):03d}{pointers} | a gloss  \n"
        for w in words:
            index.setdefault(w, []).append(offsets[key])
    lines = [f"{w} n {len(o)} 1 @ {len(o)} 0 {' '.join(f'{x:08d}' for x in o)}  \n" for w, o in sorted(index.items())]
    empty = [f"{kind}.{pos}" for kind in ("index", "data") for pos in ("verb", "adj", "adv")]
    files = dict.fromkeys([*empty], notice) | {"data.noun": data, "index.noun": notice + "".join(lines)}
    files |= dict.fromkeys(["cntlist.rev", "index.sense", *(f"{p}.exc" for p in ("noun", "verb", "adj", "adv"))], "")
    files["lexnames"] = "".join(f"{i:02d}\tnoun.some{i}\t1\n" for i in range(4))
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.skipif(importlib.util.find_spec("nltk") is None, reason="needs nltk (the extra 'words')")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nltk_reads_a_small_wordnet_in_the_real_format(tmp_path):
    tree = [("entity", ["entity"], []), ("animal", ["animal", "beast"], ["entity"]), ("pet", ["pet"], ["entity"])]
    tree += [("dog", ["dog"], ["animal", "pet"]), ("cat", ["cat"], ["animal"]), ("rogue", ["dog"], ["entity"])]
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    write_wordnet(folder, tree)
    made = wordnet.hypernyms(WORDS, tmp_path)
    assert list(made.index) == [2, 3]
    assert set(made.columns[made.loc[2] > 0]) == {"dog.n.01", "animal.n.01", "pet.n.01", "entity.n.01"}
    assert cosines(made)[2, 3] == pytest.approx(2 / np.sqrt(4 * 3))
    gc.collect()  # nltk leaves its files to the garbage collector, which complains here, not in a later test


# What WordNet 3.1 (Princeton University) has of one word and all above it; glosses are left out.
DATA_NOUN = (
    "09459612 17 n 01 sky 0 006 @ 09233511 n 0000 #p 09293800 n 0000 ~ 09247473 n 0000 %p 09270316 n 0000 "
    "~ 09367899 n 0000 %p 09426302 n 0000\n"
    "09233511 17 n 01 atmosphere 0 009 @ 14901736 n 0000 + 02842621 a 0101 + 02842621 a 0102 %p 09300338 "
    "n 0000 %p 09375475 n 0000 ~ 09459612 n 0000 %p 09471239 n 0000 %p 09480497 n 0000 %p 09485730 n 0000\n"
    "14901736 27 n 01 gas 0 042 @ 14963583 n 0000 + 02270298 a 0101 + 00443222 v 0101 ~ 09233511 n 0000 ~ "
    "14648547 n 0000 ~ 14658769 n 0000 ~ 14661685 n 0000 ~ 14664612 n 0000 ~ 14671413 n 0000 ~ 14672278 n "
    "0000 ~ 14709178 n 0000 ~ 14715847 n 0000 ~ 14750821 n 0000 ~ 14751177 n 0000 ~ 14780379 n 0000 ~ "
    "14791266 n 0000 ~ 14791381 n 0000 ~ 14806031 n 0000 ~ 14811263 n 0000 ~ 14851187 n 0000 ~ 14861534 n "
    "0000 ~ 14865437 n 0000 ~ 14866396 n 0000 ~ 14875344 n 0000 ~ 14886632 n 0000 ~ 14897347 n 0000 ~ "
    "14901385 n 0000 ~ 14902634 n 0000 ~ 14902801 n 0000 ~ 14940663 n 0000 ~ 14943307 n 0000 ~ 14975368 n "
    "0000 ~ 14997366 n 0000 ~ 15006406 n 0000 ~ 15006688 n 0000 ~ 15017945 n 0000 ~ 15023393 n 0000 ~ "
    "15060542 n 0000 ~ 15062993 n 0000 ~ 15086851 n 0000 ~ 15088620 n 0000 ~ 15092444 n 0000\n"
    "14963583 27 n 01 fluid 0 004 @ 00021007 n 0000 + 02269502 a 0101 ~ 14901736 n 0000 ~ 14964238 n 0000\n"
    "00021007 03 n 01 matter 0 016 @ 00001930 n 0000 ~ 00019793 n 0000 ~ 00020270 n 0000 ~ 09451871 n "
    "0000 ~ 14606205 n 0000 ~ 14606400 n 0000 ~ 14606715 n 0000 ~ 14607753 n 0000 ~ 14963583 n 0000 ~ "
    "14980800 n 0000 ~ 15005742 n 0000 ~ 15029068 n 0000 ~ 15071467 n 0000 ~ 15072416 n 0000 ~ 15134312 n "
    "0000 ~ 15135523 n 0000\n"
    "00001930 03 n 01 physical_entity 0 007 @ 00001740 n 0000 ~ 00002452 n 0000 ~ 00002684 n 0000 ~ "
    "00007347 n 0000 ~ 00021007 n 0000 ~ 00029976 n 0000 ~ 14604577 n 0000\n"
    "00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 ~ 00002137 n 0000 ~ 04431553 n 0000\n"
)
INDEX_NOUN = (
    "sky n 1 4 @ ~ #p %p 1 1 09459612  \n"
    "atmosphere n 6 5 @ ~ #p %p + 6 5 14548451 13733165 08516085 14543880 09233511 04734472  \n"
    "gas n 6 6 @ ~ #s #p %s + 6 5 14504664 14901736 14711074 14059177 02673313 14984229  \n"
    "fluid n 2 3 @ ~ + 2 2 14964038 14963583  \n"
    "matter n 6 3 @ ~ + 6 5 05679169 05822417 00021007 05696202 05176769 06376912  \n"
    "physical_entity n 1 2 @ ~ 1 0 00001930  \n"
    "entity n 1 1 ~ 1 1 00001740  \n"
)


@pytest.mark.skipif(importlib.util.find_spec("nltk") is None, reason="needs nltk (the extra 'words')")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_lines_of_wordnet_itself_are_read_from_a_folder_without_lexnames_and_exceptions(tmp_path):
    notice = "  1 This is a part of WordNet 3.1\n"
    for name in ("index.verb", "index.adj", "index.adv", "data.verb", "data.adj", "data.adv"):
        (tmp_path / name).write_text(notice)
    (tmp_path / "index.noun").write_text(notice + INDEX_NOUN)
    with (tmp_path / "data.noun").open("wb") as file:
        for line in DATA_NOUN.splitlines():
            file.seek(int(line[:8]))  # a synset's number is its place in the file
            file.write(f"{line} | a gloss  \n".encode())
    made = wordnet.hypernyms(pd.DataFrame({"name": ["sky", "dog"]}, index=[4, 9]), tmp_path)
    assert list(made.index) == [4]
    above = {"atmosphere.n.05", "gas.n.02", "fluid.n.02", "matter.n.03", "physical_entity.n.01", "entity.n.01"}
    assert set(made.columns) == {"sky.n.01"} | above
    assert made.to_numpy() == pytest.approx(7**-0.5)
    gc.collect()


def test_a_folder_without_wordnet_says_how_to_get_one(tmp_path):
    with pytest.raises(BadInput, match="WORDNET: .* holds no WordNet .*nltk.downloader"):
        wordnet.open_wordnet(tmp_path)


def test_wordnet_without_nltk_says_how_to_install_it(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    (tmp_path / "data.noun").touch()
    monkeypatch.setattr(wordnet, "import_module", missing)
    with pytest.raises(BadInput, match=r"WORDNET: .*pip install \"n2vlib\[words\]\""):
        wordnet.open_wordnet(tmp_path)


# --- charts


def layer_data(chart) -> pd.DataFrame:
    """The data of a chart's first dataset."""
    return pd.DataFrame(next(iter(chart.to_dict()["datasets"].values())))


def test_a_map_of_distances_keeps_the_order_of_the_spaces_and_leaves_out_their_distance_to_themselves():
    names = ["own S", "random S", "own C"]
    table = pd.DataFrame([{"one": a, "other": b, "typical": 0.123456 * (a != b)} for a in names for b in names])
    chart = charts.distance_map(table, "t", words="difference").to_dict()
    assert len(layer_data(charts.distance_map(table, "t"))) == 6
    encoding = chart["layer"][0]["encoding"]
    assert encoding["x"]["sort"] == encoding["y"]["sort"] == names
    assert set(layer_data(charts.distance_map(table, "t"))["typical"]) == {0.123}


def test_a_map_by_category_has_a_row_for_each_pair_and_the_categories_in_order():
    rows = [("a", "b", "object", 0.2), ("a", "b", "color", 0.1), ("a", "c", "object", 0.3)]
    table = pd.DataFrame(rows, columns=["one", "other", "category", "typical"])
    encoding = charts.distance_by_category(table, "t").to_dict()["layer"][0]["encoding"]
    assert encoding["y"]["sort"] == ["a / b", "a / c"] and encoding["x"]["sort"] == ["color", "object"]


def test_a_map_of_concepts_names_each_and_can_be_searched():
    points = pd.DataFrame(
        {"name": ["dog", "blue-c"], "category": ["object", "color"], "x": [1.0, 2.0], "y": [0.0, 1.0]}
    )
    spec = charts.concept_map(points, "t").to_dict()
    assert "find" in {parameter["name"] for parameter in spec["params"]}
    assert {layer["mark"]["type"] for layer in spec["layer"]} == {"circle", "text"}
    assert spec["usermeta"] == {"n2v": "square"}


def test_on_a_map_a_name_that_would_lie_on_another_is_left_out():
    points = pd.DataFrame({"name": ["dog", "cat", "cow"], "category": "object", "x": [0, 0.01, 1], "y": [0, 0.01, 1]})
    assert list(layer_data(charts.concept_map(points, "t"))["label"]) == ["dog", "", "cow"]


# --- Word2Vec

VECTORS = {"the": [1, 1, 1], "dog": [3, 0, 4], "traffic_light": [0, -2, 0], "grey": [0, 0.5, 0.5], "cat": [0, 0, 0]}


def as_text(path, line_break="\n"):
    rows = [f"{w} {' '.join(str(float(x)) for x in v)}" for w, v in VECTORS.items()]
    path.write_text(line_break.join([f"{len(VECTORS)} 3", *rows]) + line_break)


def as_binary(path, end=b""):
    records = [w.encode() + b" " + struct.pack("<3f", *v) + end for w, v in VECTORS.items()]
    path.write_bytes(f"{len(VECTORS)} 3\n".encode() + b"".join(records))


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["no line break", "line break"])
def test_text_and_binary_vectors_are_the_same_and_only_the_concepts_are_kept(tmp_path, end):
    text, binary = tmp_path / "vectors.txt", tmp_path / "vectors.bin"
    as_text(text)
    as_binary(binary, end)
    from_text, from_binary = word2vec.vectors(WORDS, text), word2vec.vectors(WORDS, binary)
    assert from_text.to_numpy() == pytest.approx(from_binary.to_numpy(), abs=1e-7)
    assert list(from_text.index) == list(from_binary.index) == [2, 5, 7], "a vector of zeros says nothing"
    assert from_text.loc[2].tolist() == pytest.approx([0.6, 0, 0.8])
    assert from_text.loc[7].tolist() == pytest.approx([0, np.sqrt(0.5), np.sqrt(0.5)])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"dog\n", "first line"),
        (b"dog 1 x 3\n", "first line"),
        (b"dog 1 2 3\ncat 1 2\n", "line 2: 2 numbers"),  # as GloVe writes them
        (b"2 0\n", "cannot be"),
        (b"2 3\ndog 1 2 3\ncat 1 2\n", "line 3: 2 numbers"),
        (b"2 3\ndog 1 2 3\ncat 1 2 x\n", "line 3: something is no number"),
        (b"2 3\ndog \0\0\0\0", "breaks off at word 1 of 2"),
        (b"2 3\n" + b"x" * 5000, "breaks off at word 1 of 2"),
    ],
)
def test_a_broken_file_of_vectors_is_refused_in_one_line(tmp_path, content, says):
    (tmp_path / "vectors").write_bytes(content)
    with pytest.raises(BadInput, match=f"WORD2VEC: .*{says}"):
        word2vec.vectors(WORDS, tmp_path / "vectors")


def test_a_file_without_a_first_line_of_numbers_is_read_as_glove_writes_it(tmp_path):
    as_text(tmp_path / "vectors.txt")
    with_header = (tmp_path / "vectors.txt").read_text()
    (tmp_path / "glove.txt").write_text(with_header.partition("\n")[2])
    ours, theirs = (
        word2vec.of_words(["grey", "dog", "grey", "none"], tmp_path / f"{n}.txt") for n in ("vectors", "glove")
    )
    assert list(theirs.index) == ["grey", "dog"] and ours.equals(theirs)
    assert theirs.loc["dog"].tolist() == pytest.approx([0.6, 0, 0.8])
    with pytest.raises(BadInput, match="none of the words asked for, such as none"):
        word2vec.of_words(["none"], tmp_path / "glove.txt")


def test_a_missing_file_of_vectors_is_bad_input():
    with pytest.raises(BadInput, match="WORD2VEC: no-such-file is no file"):
        word2vec.vectors(WORDS, "no-such-file")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e39"])  # the last is more than float32 holds
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_a_vector_that_is_not_finite_is_refused_by_its_word(tmp_path, number, binary):
    for word_, message in (("dog", r"the vector of 'dog' is not finite"), ("the", None)):
        with np.errstate(over="ignore"):
            bad = np.array([1, float(number), 2]).astype("<f4")
        rows = {name: bad if name == word_ else np.array(vector, "<f4") for name, vector in VECTORS.items()}
        text = [
            f"{name} 1 {number} 2" if name == word_ else f"{name} {' '.join(map(str, v))}" for name, v in rows.items()
        ]
        records = [name.encode() + b" " + vector.tobytes() for name, vector in rows.items()]
        body = b"".join(records) if binary else "\n".join(text).encode()
        (tmp_path / "vectors").write_bytes(f"{len(rows)} 3\n".encode() + body)
        if message:
            with pytest.raises(BadInput, match=f"WORD2VEC: .*vectors: {message}"):
                word2vec.vectors(WORDS, tmp_path / "vectors")
        else:  # that word is not used
            assert list(word2vec.vectors(WORDS, tmp_path / "vectors").index) == [2, 5, 7]


def test_words_behind_the_stated_number_are_not_lost_in_silence(tmp_path):
    as_text(tmp_path / "vectors")
    content = (tmp_path / "vectors").read_text()
    (tmp_path / "vectors").write_text("1" + content[1:])
    with pytest.raises(BadInput, match="goes on after as many words as its first line says"):
        word2vec.vectors(WORDS, tmp_path / "vectors")
