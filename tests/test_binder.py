"""The files for mybinder and Google Colab do here, without a network, what they are to do there."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import nbformat
import papermill
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from n2vlib.paths import ROOT

BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = sorted(path for path in BINDER.iterdir() if path.is_file())
COLAB = nbformat.read(BINDER / "colab.ipynb", as_version=4)
FIRST, INSTALLING = [cell.source for cell in COLAB.cells if cell.cell_type == "code"][:2]

COLAB_NEEDS = ast.literal_eval(re.findall(r"needed = (.*)", INSTALLING)[0])
# What a chapter imports with a file of the user's only, and what the commands do that build the book.
NOT_IN_COLAB = {"transformers", "open_clip", "pyarrow"}, {"builder", "cli"}


def test_no_file_names_a_host():
    assert {path.name for path in FILES} == {"colab.ipynb", "postBuild", "requirements.txt", "runtime.txt"}
    assert not [path.name for path in FILES if re.search(r"://|\bindex-url|\w\.(org|com|io)\b", path.read_text())]


def test_mybinder_installs_the_project_with_its_extras_at_the_tested_versions():
    lines = [line for line in (BINDER / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    constraints, project = (line.split(maxsplit=1) for line in lines)
    assert constraints[0] == "-c" and (BINDER / constraints[1]).resolve() == ROOT / "constraints.txt"
    assert project[0] == "-e" and project[1].startswith(".")  # the folder that pip is run in, the repository's
    needed = Requirement(PROJECT["name"] + project[1].removeprefix("."))
    assert needed.extras == set(PROJECT["optional-dependencies"]) - {"test", "transformers", "parquet", "clip"}
    python = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert python in SpecifierSet(PROJECT["requires-python"])


def test_the_build_step_draws_the_probe_set_and_stores_what_the_first_chapter_needs(tmp_path):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    first = toc["parts"][0]["chapters"][0]["file"]
    own = {"N2V_DATA": str(tmp_path / "data"), "N2V_STORE": str(tmp_path / "store"), "N2V_PROGRESS": "0"}
    own |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = ["bash", "binder/postBuild", "-p", "PROBE=world-96", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / f"{first}.ipynb").exists() and os.access(BINDER / "postBuild", os.X_OK)
    assert [*(tmp_path / "data").glob("world-96-*/index.csv")] and [*(tmp_path / "store").glob("activations/*/*.npy")]


def test_the_address_of_the_repository_is_that_of_the_site():
    (given,) = ast.parse(FIRST).body
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert ast.unparse(given) == f"REPOSITORY = {config['repository']['url']!r}"


@pytest.mark.parametrize("address", ["", "https://example.org/book.git"])
def test_colab_installs_from_the_address_or_stops_with_one_sentence(address, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(command))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    if not address:
        with pytest.raises(SystemExit, match=r"^The book cannot be installed: set REPOSITORY [^.]*\.$"):
            exec(INSTALLING, {"REPOSITORY": address})
        assert asked == []
        return
    exec(INSTALLING, {"REPOSITORY": address})
    clone, install = asked
    assert clone == ["git", "clone", "--depth", "1", address, "n2v"]
    assert install[:6] == [sys.executable, "-m", "pip", "install", "--quiet", "-e"] and install[6:] == COLAB_NEEDS


def test_colab_installs_all_that_a_chapter_imports():
    extras = Requirement(COLAB_NEEDS[0].replace("n2v", PROJECT["name"], 1)).extras
    lines = [*PROJECT["dependencies"], *(line for each in extras for line in PROJECT["optional-dependencies"][each])]
    given = {Requirement(line).name for line in [*lines, *COLAB_NEEDS[1:]]} | {"nbformat", "ipython"}  # papermill's
    optional, built = NOT_IN_COLAB
    files = [
        path for path in (ROOT / "n2vlib").rglob("*.py") if path.relative_to(ROOT / "n2vlib").parts[0] not in built
    ]
    words = re.compile(r"^ *(?:import|from) (\w+)", re.MULTILINE)
    names = {name for path in files for name in words.findall(path.read_text(encoding="utf-8"))}
    names -= {*sys.stdlib_module_names, "n2vlib"} | optional
    known = metadata.packages_distributions()
    assert not {name for name in names if name in known and not {each.lower() for each in known[name]} & given}
    assert {"captum", "skimage", "nbformat"} <= names & {*known}


def test_elsewhere_the_colab_notebook_installs_nothing_and_runs_a_chapter(monkeypatch, tmp_path):
    monkeypatch.setenv("N2V_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("N2V_PROGRESS", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "work").mkdir()
    given = {"CHAPTER": "net2vec/single-filters", "PARAMETERS": {"PROBE": "world-96", "LAYERS": ["conv5"]}}
    done = papermill.execute_notebook(
        BINDER / "colab.ipynb", tmp_path / "out.ipynb", given, cwd=tmp_path / "work", progress_bar=False
    )
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["chapter.ipynb"]
    kinds = {kind for output in done.cells[-1].outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    assert not [output for cell in COLAB.cells if cell.cell_type == "code" for output in cell.outputs]
