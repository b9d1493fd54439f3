"""Users' files: a pipe, endless values, bytes that are no text. Each is an error of one line, and none hangs."""

import os
import re
import tracemalloc

import pandas as pd
import pytest
from handmade import build
from patience import within

from n2vlib import released_units
from n2vlib.analysis import rating
from n2vlib.errors import BadInput
from n2vlib.files import userfiles
from n2vlib.files.userfiles import yaml_mapping
from n2vlib.probe import load_probe
from n2vlib.probe.check import check
from n2vlib.spaces import word2vec, wordnet

CONCEPTS = pd.DataFrame({"name": ["dog"]}, index=[1])


@pytest.fixture(autouse=True)
def data(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("N2V_DATA", str(tmp_path_factory.mktemp("data")))


READERS = {
    "units": released_units.read,
    "ratings": lambda path: rating.read(
        path, pd.DataFrame(columns=["network", "layer", "filter", "label", "category"])
    ),
    "parameters": yaml_mapping,
    "vectors": lambda path: word2vec.vectors(CONCEPTS, path),
    "WordNet": lambda path: wordnet.open_wordnet(path.parent),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_a_pipe_is_no_file(tmp_path, read):
    for name in ("data.noun", "index.noun"):
        (tmp_path / name).touch()
    path = tmp_path / "index.verb"
    os.mkfifo(path)
    with within(60), pytest.raises(BadInput, match=r"index.verb|WORDNET") as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("table", ["index.csv", "label.csv", "category.csv", "c_object.csv"])
def test_a_pipe_as_a_table_is_one_error(tmp_path, table):
    root = build(tmp_path / "set", 2).root
    (root / table).unlink()
    os.mkfifo(root / table)
    with within(60):
        with pytest.raises(BadInput, match=f"{table}: is no plain file"):
            load_probe(root)
        assert [problem.message for problem in check(root) if problem.file == table] == ["is no plain file"]


def test_a_table_that_is_a_link_to_itself_is_one_error(tmp_path):
    root = build(tmp_path / "set", 2).root
    (root / "label.csv").unlink()
    (root / "label.csv").symlink_to("label.csv")
    with pytest.raises(BadInput, match=r"label\.csv"):
        load_probe(root)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(userfiles, "LONGEST_LINE", 1000)
    (tmp_path / "a.csv").write_text("a,b\n" + "1," * 499 + "\n" + "1," * 500)
    rows = userfiles.csv_rows(tmp_path / "a.csv", "a.csv")
    assert [len(cells) for _, cells in (next(rows), next(rows))] == [2, 500]
    with pytest.raises(BadInput, match=r"^a.csv: cannot be read as UTF-8 CSV: a line has 1,000 characters or more$"):
        next(rows)


def referring(each: int, depth: int) -> bytes:
    """Lists of `each` references to the list before, `depth` of them: each ** depth values in a few lines."""
    lines = [
        b"A0: &a0 [x]",
        *(b"A%d: &a%d [%s]" % (i, i, b",".join([b"*a%d" % (i - 1)] * each)) for i in range(1, depth)),
    ]
    return b"\n".join(lines)


YAML = {
    "no UTF-8": (b"A: \xff\n", "cannot be read as UTF-8"),
    "UTF-16": ("A: 1\n".encode("utf-16"), "cannot be read as UTF-8"),
    "nested": (b"A: " + b"[" * 1000, "nested too deeply"),
    "nested mappings": (b"A: " + b"{a: " * 1000, "nested too deeply"),
    "references": (referring(9, 12), "more than 100,000 values"),
    "wide references": (referring(400, 4), "more than 100,000 values"),
    "reference to itself": (b"A: &a [*a]", "more than 100,000 values"),
    "empty number": (b"A: !!int ''", "cannot be read as UTF-8 YAML"),
    "month 13": (b"A: 2020-13-01", "cannot be read as UTF-8 YAML"),
    "long number": (b"A: " + b"9" * 5000, "cannot be read as UTF-8 YAML"),
    "an object": (b"A: !!python/object:os.system {}", "cannot be read as UTF-8 YAML"),
    "no mapping": (b"- A\n", "expected lines `NAME: value`"),
    "large": (b"A: 1\n" + b"#" * 2**17, "is larger than"),
}


@pytest.mark.parametrize(("content", "says"), YAML.values(), ids=YAML.keys())
def test_a_file_of_parameters_that_cannot_be_is_one_line(tmp_path, content, says):
    (tmp_path / "p.yml").write_bytes(content)
    with within(60), pytest.raises(BadInput, match=re.escape(says)) as error:
        yaml_mapping(tmp_path / "p.yml")
    assert str(tmp_path / "p.yml") in str(error.value) and "\n" not in str(error.value)


def test_a_good_file_of_parameters_is_read(tmp_path):
    (tmp_path / "p.yml").write_text("\ufeffA: &a {size: 3}\nB: [*a, é]\n", encoding="utf-8")
    assert yaml_mapping(tmp_path / "p.yml") == {"A": {"size": 3}, "B": [{"size": 3}, "é"]}
    (tmp_path / "p.yml").write_text("")
    assert yaml_mapping(tmp_path / "p.yml") == {}


@pytest.mark.parametrize("start", [b"2 3\ndog 1 2 3 ", b"2 3\ndog 1 2 3\ncat 4 5 6 ", b"1 3\n"])
def test_word_vectors_without_line_breaks_are_not_read_whole(tmp_path, start):
    with (tmp_path / "vectors").open("wb") as file:
        file.write(start)
        file.truncate(2**28)
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="WORD2VEC: .*vectors"):
            word2vec.vectors(CONCEPTS, tmp_path / "vectors")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
