"""The package's public names: imported when they are asked for, described in the reference, and correct as written."""

import ast
import html
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import altair as alt
import jupytext
import pandas as pd
import pytest

import n2vlib
from n2vlib import charts, tables
from n2vlib.display.reference import modules, public_name, reference
from n2vlib.display.style import MIME
from n2vlib.paths import ROOT

METHODS = ("single_filter", "segmentation", "classification", "dissection")
PICTURES = ("show", "heatmap", "concept_strip")


def run(source: str, folder: Path, draws: bool = False) -> str:
    """What a script prints that is run in a folder of its own; it must print nothing to stderr.

    draws   with data of its own too, so that a probe set is drawn
    """
    (folder / "work").mkdir(exist_ok=True)
    (folder / "work" / "script.py").write_text(source, encoding="utf-8")
    own = {"N2V_STORE": str(folder / "store"), "N2V_PROGRESS": "0"}
    own |= {"N2V_DATA": str(folder / "data")} if draws else {}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder / "work", env=os.environ | own | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_importing_the_package_imports_nothing_else(tmp_path):
    script = """
import sys
import n2vlib
print(*sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "altair", "numpy", "n2vlib")))
"""
    assert run(script, tmp_path).split() == ["n2vlib"]


@pytest.mark.parametrize("name", n2vlib.PLACES)
def test_a_name_is_that_of_the_module_it_lies_in(name):
    assert getattr(n2vlib, name) is getattr(import_module(f"n2vlib.{n2vlib.PLACES[name]}"), name)
    assert public_name(getattr(n2vlib, name)) == f"n2vlib.{name}"


@pytest.mark.parametrize("name", n2vlib.MODULES)
def test_a_module_is_imported_when_it_is_asked_for(name):
    assert getattr(n2vlib, name) is import_module(f"n2vlib.{n2vlib.MODULES[name]}")
    assert public_name(getattr(n2vlib, name)) == f"n2vlib.{name}"


# Modules that only the library's other modules use, or the commands.
INNER = {
    "__main__", "builder", "cli", "device", "errors", "files", "lazy", "made_by", "pages", "parameters", "paths",
    "progress", "reads", "sources", "store", "workers",
}  # fmt: skip
PACKAGES = [path.parent for path in sorted((ROOT / "n2vlib").glob("*/**/__init__.py"))]
ALIKE = {"formats", "architectures", "tasks", "things"}  # folders whose files are alike


def test_no_module_is_forgotten_by_the_package():
    found = {
        path.stem for path in (ROOT / "n2vlib").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} - INNER == set(n2vlib.MODULES) - {"gallery", "hooks"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_says_what_each_of_its_files_is(package):
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    own = [path for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = [path.stem for path in own if path.stem[0] != "_"]
    listed = [name for name in re.findall(r"^(\w+) {2,}\S", said, re.MULTILINE) if name in names]
    assert sorted(listed) == sorted(names) or package.name in ALIKE


def test_type_checkers_see_the_names_that_are_imported_at_run_time():
    tree = ast.parse((ROOT / "n2vlib" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: f"{node.module}.{alias.name}" if alias.name in n2vlib.MODULES else node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"n2vlib.{place}" for name, place in (n2vlib.PLACES | n2vlib.MODULES).items()}


def test_dir_lists_every_name_and_an_unknown_one_is_an_attribute_error():
    assert {*n2vlib.PLACES, *n2vlib.MODULES, "__version__"} == set(dir(n2vlib))
    with pytest.raises(AttributeError, match="n2vlib.*load_prob'"):
        _ = n2vlib.load_prob  # type: ignore[attr-defined]


def test_the_packages_example_runs_as_written(tmp_path):
    (example,) = re.findall(r"(?:^    .*\n|^\n)+", n2vlib.__doc__ or "", re.MULTILINE)
    *before, last = dedent(example).strip().splitlines()
    printed = run("\n".join([*before, f"print({last})"]), tmp_path)
    assert "segmentation  conv5" in printed and sorted(path.name for path in (tmp_path / "work").iterdir()) == [
        "script.py"
    ]


def test_a_script_without_a_main_guard_draws_the_world_once(tmp_path):
    script = 'import n2vlib\nprint("once")\nprint(len(n2vlib.load_probe("world-100")))\n'
    assert run(script, tmp_path, draws=True) == "once\n100\n"


def test_importing_our_charts_leaves_the_readers_altair_as_it_is(tmp_path):
    script = """
import altair as alt
import pandas as pd
chart = alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q")
def settings():
    kinds = alt.theme, alt.renderers, alt.data_transformers
    return [(kind.active, dict(kind.options)) for kind in kinds], chart.to_json(), [*chart._repr_mimebundle_()]
before = settings()
from n2vlib import charts
assert settings() == before
ours = charts.lines(pd.DataFrame({"x": [1, 2], "y": [1, 2], "category": "object"}), "x", "y", "t", ("x", "y"))
assert "image/png" in ours._repr_mimebundle_() and settings() == before
"""
    assert run(script, tmp_path) == ""


def test_our_charts_look_the_same_whatever_the_reader_has_set():
    ours = charts.lines(pd.DataFrame({"x": [1, 2], "y": [1, 2], "category": "object"}), "x", "y", "t", ("x", "y"))
    before = ours.to_dict()
    with alt.theme.enable("dark"), alt.renderers.enable("html"):
        assert ours.to_dict() == before and ours.properties(width=7).to_dict() == before | {"width": 7}
        assert MIME in ours._repr_mimebundle_()
    assert before["config"]["background"] == "transparent"


def test_an_entry_has_the_signature_of_the_source_and_the_docstring_as_written():
    found = reference(n2vlib.load_probe, n2vlib.need, n2vlib.provenance)
    assert found.text.startswith("n2vlib.load_probe(probe: str | Path) -> ProbeSet\n    The probe set of the PROBE")
    assert "n2vlib.need(probe: ProbeSet, *wanted: str, concepts: int = 1) -> pd.Index\n" in found.text
    assert "n2vlib.provenance(\n    *,\n    probe: Any = None,\n" in found.text
    assert "\n        in Broden's format" in html.unescape(found.html) and "-&gt; ProbeSet" in found.html
    assert re.findall('id="(.*?)"', found.html) == ["n2vlib.load_probe", "n2vlib.need", "n2vlib.provenance"]
    assert found._repr_html_() == found.html and repr(found) == found.text


def test_a_class_is_shown_with_its_fields_and_public_members():
    text = reference(n2vlib.Preprocessing, n2vlib.Layer, n2vlib.Store, n2vlib.BadInput).text
    assert "n2vlib.Preprocessing(\n    size: tuple[int, int],\n" in text and "    range: int = 1,\n" in text
    assert "    __call__(images: np.ndarray | Tensor) -> Tensor\n" in text
    assert "    n_filters: int" in text and "    at(tau: float) -> Layer\n" in text
    assert "n2vlib.Store(store: str | None = None)\n" in text and "\nn2vlib.BadInput\n" in text
    assert "__post_init__" not in text and "self" not in text


def test_a_module_is_shown_with_all_its_functions_folded():
    folded = {module: reference(module, folded=True).html for module in (tables, charts)}
    anchors = {module: re.findall(r'<details id="([\w.]+)"><summary>', text) for module, text in folded.items()}
    own = [each.__name__ for each in vars(tables).values() if getattr(each, "__module__", "") == tables.__name__]
    assert anchors[tables] == [f"n2vlib.tables.{name}" for name in own if name[0] != "_"]
    assert anchors[charts] == [f"n2vlib.charts.{name}" for name in charts.__all__ if name != "Chart"]


def test_all_modules_are_listed_with_their_docstrings():
    found = modules()
    assert re.findall(r'<details id="([\w.]+)"><summary>', found.html) == sorted(f"n2vlib.{n}" for n in n2vlib.MODULES)
    assert "<code>n2vlib.agents</code> Networks that play games together" in found.html
    assert "n2vlib.tables\n    " + (tables.__doc__ or "").splitlines()[0] in found.text


@cache
def cells() -> list[str]:
    return [cell.source for cell in jupytext.read(ROOT / "book" / "reference.py").cells if cell.cell_type == "code"]


@pytest.mark.parametrize(
    "name",
    [
        *(f"n2vlib.{name}" for name in n2vlib.PLACES),
        *(f"{method}.align" for method in METHODS),
        *(f"gallery.{name}" for name in PICTURES),
        "tables",
        "charts",
    ],
)
def test_the_chapter_describes_every_public_name_and_shows_it_in_a_few_lines(name):
    (at,) = [i for i, cell in enumerate(cells()) if re.search(rf"^reference\(.*\b{name}\b", cell)]
    assert 1 <= len(cells()[at + 1].splitlines()) <= 5
    used = {"n2vlib.Layer": "layer.", "n2vlib.Network": "network.", "n2vlib.ProbeSet": "probe."}
    used |= {"n2vlib.Preprocessing": "preprocessing", "n2vlib.Alignment": "unit_weights()"}
    assert used.get(name, f"{name.removesuffix('.align')}.align" if ".align" in name else name) in cells()[at + 1]
