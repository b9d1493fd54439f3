"""`check` names every defect by file and row: each one is planted in a set that has no other."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from handmade import HandMade, build
from PIL import Image

from n2vlib.probe.check import check
from n2vlib.probe.problems import Problem
from n2vlib.probe.reader import read_concepts


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> HandMade:
    return build(tmp_path_factory.mktemp("handmade") / "shapes", n_images=36)


@pytest.fixture
def copy(world, tmp_path) -> Path:
    return Path(shutil.copytree(world.root, tmp_path / "copy"))


def row_of(path: Path, wanted: str) -> int:
    """The line of a file that holds a text, as an editor counts."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), start=1) if wanted in line)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def places(problems: list[Problem]) -> list[tuple[str, str, int | None]]:
    return [(problem.severity, problem.file, problem.row) for problem in problems]


def test_a_good_set_has_no_problem(world):
    assert check(world.root) == []


def test_a_missing_and_an_unreadable_file(copy):
    row = row_of(copy / "index.csv", "shapes/004.png")
    (copy / "images/shapes/004.png").unlink()
    text = (copy / "images/shapes/004_color.png").read_bytes()
    (copy / "images/shapes/004_color.png").write_bytes(text[: len(text) // 2])
    problems = check(copy)
    assert places(problems) == [("error", "index.csv", row)] * 2
    assert ["shapes/004.png" in problems[0].message, "images/shapes/004_color.png" in problems[1].message] == [True] * 2
    assert str(copy) not in problems[1].message


def test_a_path_outside_the_root_is_an_error_and_is_not_opened(copy):
    row = row_of(copy / "index.csv", "shapes/000_color.png")
    (copy.parent / "x.png").write_bytes(b"not a picture")
    edit(copy / "index.csv", "shapes/000_color.png", "../../x.png")
    [problem] = [problem for problem in check(copy) if problem.severity == "error"]
    assert (problem.file, problem.row) == ("index.csv", row)
    assert problem.message == "../../x.png: lies outside the probe set"


def test_an_unknown_label_number_in_a_cell_in_a_map_and_in_a_category(copy):
    row = row_of(copy / "index.csv", ",11")
    edit(copy / "index.csv", ",11", ",77")
    map_row = row_of(copy / "index.csv", "shapes/001_object")
    [path] = [path for path in (copy / "images/shapes").glob("001_object*.png") if "_2" not in path.name]
    Image.new("RGB", (24, 24), (1, 2, 0)).save(path)
    edit(copy / "c_part.csv", ",8,", ",88,")
    errors = [problem for problem in check(copy) if problem.severity == "error"]
    assert [(problem.file, problem.row) for problem in errors] == [
        ("c_part.csv", 2),
        ("index.csv", row),
        ("index.csv", map_row),
    ]
    for problem, number in zip(errors, (88, 77, 513), strict=True):
        assert f"label number {number} is not in label.csv" in problem.message


def test_a_wrong_map_size_and_a_wrong_image_size(copy):
    row = row_of(copy / "index.csv", "shapes/002.png")
    Image.new("RGB", (20, 24), (3, 0, 0)).save(copy / "images/shapes/002_color.png")
    Image.new("RGB", (40, 48)).save(copy / "images/shapes/002.png")
    problems = check(copy)
    assert places(problems) == [("error", "index.csv", row)] * 2
    assert "is 48 x 40" in problems[0].message and "is 24 x 20" in problems[1].message


def test_a_missing_column(copy):
    edit(copy / "index.csv", ",scene", ",place")
    edit(copy / "label.csv", "frequency", "often")
    problems = [problem for problem in check(copy) if "column" in problem.message]
    assert places(problems) == [("error", "label.csv", 1), ("error", "index.csv", 1)]


def test_a_set_without_its_tables_or_maps(copy, tmp_path):
    for path in (copy / "images/shapes").glob("*_*.png"):
        path.unlink()
    errors = [problem for problem in check(copy) if problem.severity == "error"]
    assert len(errors) == 1 and errors[0].message.startswith("images only")
    for path in copy.glob("*.csv"):
        path.unlink()
    assert {problem.file for problem in check(copy)} == {"index.csv", "label.csv", "category.csv"}
    assert len(check(tmp_path / "nowhere")) == 1


def test_no_validation_image(copy):
    text = (copy / "index.csv").read_text()
    (copy / "index.csv").write_text(text.replace(",val,", ",train,"))
    assert places(check(copy)) == [("warning", "index.csv", None)]


def test_a_concept_without_validation_image_and_one_without_any(copy):
    lines = (copy / "index.csv").read_text().splitlines()
    kept = [line for line in lines if not (line.endswith((",9", "9,", ",9,")) and ",val," in line)]
    assert len(kept) < len(lines)
    (copy / "index.csv").write_text("\n".join(kept) + "\n")
    edit(copy / "label.csv", "300,gloss", "301,gleam,material(0),0,0.000000,\n300,gloss")
    problems = check(copy)
    assert places(problems) == [
        ("warning", "label.csv", row_of(copy / "label.csv", "striped")),
        ("warning", "label.csv", row_of(copy / "label.csv", "gleam")),
    ]
    assert "no validation image" in problems[0].message and "no image holds" in problems[1].message


def test_scene_0(copy):
    row = row_of(copy / "index.csv", ",11")
    edit(copy / "index.csv", ",11", ",0")
    [problem] = check(copy)
    assert (problem.severity, problem.file, problem.row) == ("warning", "index.csv", row)
    assert problem.message.startswith("scene 0 is no label")


def test_duplicate_names_of_concepts_and_of_images(copy):
    edit(copy / "label.csv", ",disc,", ",square,")
    first = (copy / "index.csv").read_text().splitlines()[1]
    with (copy / "index.csv").open("a") as file:
        file.write(first + "\n")
    rows = [row_of(copy / "label.csv", f"{number},square") for number in (4, 5)]
    assert places(check(copy)) == [
        *(("warning", "label.csv", row) for row in rows),
        ("warning", "index.csv", 2),
        ("warning", "index.csv", 38),
    ]


def test_without_its_categories_a_set_is_still_checked(copy):
    (copy / "category.csv").unlink()
    assert ("error", "category.csv", None) in places(check(copy))


def test_a_map_that_cannot_be_read_rightly_is_an_error_with_its_row_and_mode(copy):
    row = row_of(copy / "index.csv", "shapes/002.png")
    Image.new("L", (24, 24), 3).save(copy / "images/shapes/002_color.png")
    problems = [problem for problem in check(copy) if problem.severity == "error"]
    assert places(problems) == [("error", "index.csv", row)]
    assert re.match(r"images/shapes/002_color.png: a label map .* \(mode L\) has blue in it", problems[0].message)


def test_a_map_without_labels_that_an_optimizer_made_grey_is_no_problem(copy):
    for mode in ("1", "L", "P"):
        Image.new(mode, (24, 24), 0).save(copy / "images/shapes/blank.png")
        if mode == "1":
            edit(copy / "index.csv", "shapes/002_color.png", "shapes/002_color.png;shapes/blank.png")
        assert check(copy) == []


def test_an_image_with_an_ambiguous_orientation_is_a_warning(copy):
    row, turned = row_of(copy / "index.csv", "shapes/002.png"), Image.Exif()
    turned[0x0112] = 6
    with Image.open(copy / "images/shapes/002.png") as file:
        file.save(copy / "images/shapes/002.png", exif=turned)
    [problem] = check(copy)
    assert (problem.severity, problem.file, problem.row) == ("warning", "index.csv", row)
    assert problem.message.startswith("images/shapes/002.png: EXIF orientation 6; it is taken as shown")


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("index.csv", "shapes/002_color.png", "shapes\\002_color.png", "write / between folders"),
        ("index.csv", "shapes/002_color.png", "images/shapes/002_color.png", "paths start below images/"),
        ("index.csv", "shapes/002_color.png", "/set/images/shapes/002_color.png", "an absolute path"),
        ("index.csv", "shapes/002_color.png", "6.5", "nor is it a label number"),
        ("label.csv", "5,disc,", "5,,", "number 5 has no name"),
    ],
)
def test_what_windows_pandas_and_habit_write_is_reported(copy, file, old, new, says):
    row = row_of(copy / file, old)
    edit(copy / file, old, new)
    [problem] = [problem for problem in check(copy) if problem.severity == "error"]
    assert (problem.file, problem.row) == (file, row) and says in problem.message


def test_many_labels_take_time_in_proportion(copy, monkeypatch):
    compared = 0

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    def named(*given):
        concepts = read_concepts(*given)
        return concepts.assign(name=pd.Series(map(Name, concepts["name"]), concepts.index, dtype=object))

    n = 2000
    with (copy / "label.csv").open("a") as file:
        file.writelines(f"{number},name {number},object(0),0,0,\n" for number in range(1000, 1000 + n))
    monkeypatch.setattr("n2vlib.probe.check.read_concepts", named)
    assert sum("no image holds" in problem.message for problem in check(copy)) == n
    assert compared < 20 * n
