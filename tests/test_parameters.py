"""A chapter's parameters are checked before anything runs, and the error is one line that names the parameter."""

import math

import nbformat
import pytest

from n2vlib.builder.book import chapters
from n2vlib.errors import BadInput
from n2vlib.parameters import RULES, check_parameters, check_value, declared_in, differing
from n2vlib.paths import ROOT


def namespace(**values):
    """A notebook's globals() after its parameters cell: what it declares, and IPython's own names."""
    declared = {"TAU": float, "LAYERS": list, "STORE": str | None}
    given = {"TAU": 0.005, "LAYERS": ["conv5"], "STORE": None} | values
    ipython = {
        "In": [""],
        "Out": {},
        "get_ipython": print,
        "exit": 0,
        "quit": 0,
        "open": open,
        "_i1": "x",
        "math": math,
    }
    return {"__annotations__": declared} | ipython | given


def test_what_a_chapter_declares_passes():
    check_parameters(namespace())


def test_an_unknown_public_name_is_refused_with_the_nearest_known_one():
    with pytest.raises(BadInput, match=r"^TAUU: .*no such parameter.*TAU"):
        check_parameters(namespace(TAUU=0.01))


def test_run_a_second_time_the_chapters_own_results_are_no_parameters_but_values_are_still_checked():
    cell = namespace()
    check_parameters(cell)
    cell["found"] = "a result of the chapter"
    check_parameters(cell)
    cell["TAU"] = 2.0
    with pytest.raises(BadInput, match="^TAU: "):
        check_parameters(cell)


@pytest.mark.parametrize(
    ("name", "value", "type_"),
    [
        ("TAU", 0.005, float),
        ("LAYERS", ["features.3", "features.12"], list),
        (
            "PREPROCESSING",
            {"size": 227, "mean": [123.0, 117.0, 104.0], "std": [1.0, 1.0, 1.0], "range": 255},
            dict | None,
        ),
        ("WEIGHTS", None, str | None),
        ("SHARE", 1, float),  # an integer is a number
        ("PAIRS", ["a", "b"], list[str]),
        ("NETWORKS", [{"network": "a", "layer": "b", "label": "c", "training": "random", "weights": None}], list),
        ("MAPS", [], list),
    ],
)
def test_right_values_pass(name, value, type_):
    check_value(name, value, type_)


@pytest.mark.parametrize(
    ("name", "value", "type_", "says"),
    [
        ("TAU", 0.0, float, "greater than 0"),
        ("TAU", 1, float, "less than 1"),
        ("TAU", float("nan"), float, "finite"),
        ("TAU", "1e-4", float, r"write 1\.0e-4"),  # what YAML makes of 1e-4
        ("TAU", True, float, "number"),
        ("EPOCHS", 2.0, int, "integer"),
        ("EPOCHS", 0, int, "greater than or equal to 1"),
        ("SEED", True, int, "integer"),
        ("SEED", -1, int, "greater than or equal to 0"),
        ("LAYERS", [], list, "at least 1 item"),
        ("LAYERS", ["conv1", 3], list, r"LAYERS\[1\]: .*string"),
        ("LAYERS", [4], list, r'LAYERS\[0\]: .*in quotes, "4"'),  # what YAML makes of [4]
        ("LAYERS", ["conv1", "conv1"], list, "twice"),
        ("LAYERS", "conv1", list, "list"),
        ("DEVICE", "gpu", str, "say 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"),
        ("WEIGHTS", 3, str | None, "string"),
        ("PREPROCESSING", {"sizes": 227}, dict | None, "'size', 'mean', 'std', 'range' or 'interpolation'"),
        ("PAIRS", ["a", 1], list[str], r"PAIRS\[1\]"),
        ("NETWORKS", [{"network": "a", "layer": "b"}, {"network": "a"}], list, "entry 1 has no 'layer'"),
        (
            "NETWORKS",
            [{"network": "a", "layer": "b", "colour": 1}],
            list,
            "entry 0 has 'colour', which is none of label",
        ),
        ("NETWORKS", [{"network": "a", "layer": "b", "training": "some"}], list, "supervised, self-supervised, random"),
        ("NETWORKS", ["small-alexnet"], list, "entry 0 has no 'network'"),
        ("NETWORKS", [], list, "at least 1 item"),
    ],
)
def test_wrong_values_are_refused_in_one_line_that_names_the_parameter(name, value, type_, says):
    with pytest.raises(BadInput, match=says) as caught:
        check_value(name, value, type_)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


def test_a_parameters_cell_gives_types_and_defaults():
    types, defaults = declared_in('TAU: float = 0.005  # share\nWEIGHTS: str | None = None\nLAYERS: list = ["conv1"]')
    assert types == {"TAU": float, "WEIGHTS": str | None, "LAYERS": list}
    assert defaults == {"TAU": 0.005, "WEIGHTS": None, "LAYERS": ["conv1"]}


@pytest.mark.parametrize(
    "line", ["TAU = 0.005", "TAU: float = 1 / 200", "import os", "LAYERS: list = [\n'a']", "TAU: float"]
)
def test_a_line_that_papermill_would_not_see_as_a_parameter_is_refused(line):
    with pytest.raises(BadInput, match="NAME: type = literal"):
        declared_in(line)


def test_only_values_that_differ_from_the_defaults_are_written_into_a_chapter():
    assert differing({"TAU": 0.005, "SEED": 1}, {"TAU": 0.005, "SEED": 0}) == {"SEED": 1}


def test_every_rule_is_for_a_parameter_that_some_chapter_declares():
    declared = set()
    for chapter in chapters():
        (cell,) = [
            cell.source
            for cell in nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4).cells
            if "parameters" in cell.metadata.get("tags", [])
        ]
        declared |= set(declared_in(cell)[0])
    assert set(RULES) <= declared
