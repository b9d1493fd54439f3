"""A measurement and a book that are made within seconds, to damage and to kill: what they give, as digests.

Everything lies in one folder: data (probe set, label cache, memos), store, page.html, and the book's pages and results.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import nbformat
import pandas as pd
import torch
from numba.core.registry import cpu_target
from torch import nn

from n2vlib import load_probe, report, world
from n2vlib.activations.layer import read_layers
from n2vlib.analysis import uncertainty
from n2vlib.builder import book
from n2vlib.builder import site as builder
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.paths import ROOT
from n2vlib.sources import sources_digest
from n2vlib.store import Store

IMAGES, CHAPTERS = 32, ("one", "two", "three")
LONGEST = 900  # seconds that a forked child may take
Results = dict[str, str]  # name -> sha256 of the content


def network() -> Network:
    """Six filters on 14 x 14 and four on 7 x 7."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 8, 8), nn.ReLU(), nn.Conv2d(6, 4, 3, 2, 1), nn.ReLU())
    return Network("random", module, Preprocessing((112, 112), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 1), "random")


def measure(root: Path) -> Results:
    """Every kind of entry that the store keeps, asked for in one run; its tables and one page."""
    _in(root)
    probe, store, made = load_probe(f"world-{IMAGES}"), Store(str(root / "store")), network()
    layers = read_layers(made, ["1", "3"], probe, tau=0.05, device="cpu", store=store)
    tables: dict[str, pd.DataFrame] = {}
    for name, layer in layers.items():
        tables[f"{name} thresholds"] = pd.DataFrame(layer.thresholds)
        tables[f"{name} dissection"] = dissection.filters(layer, probe)
        for method in (single_filter, segmentation, classification):
            options = {} if method is single_filter else {"epochs": 2}
            found = method.align(layer, probe, **options)
            for part in ("scores", "weights", "pairs"):
                tables[f"{name} {method.__name__} {part}"] = getattr(found, part)
    tables["stability"] = uncertainty.best_filter_stability(layers["3"], probe)
    results = {name: _sha256(table.to_csv().encode()) for name, table in tables.items()}
    page = report.write(root / "page.html", made, "3", probe, tau=0.05, epochs=2, device="cpu", store=store)
    return results | {"page": _sha256(page.read_bytes())}


def draw(root: Path, worth_processes: int = 500) -> Results:
    """The files of a drawn world; two processes draw it where that is said to be worth it."""
    _in(root)
    world._WORTH_PROCESSES = worth_processes
    return contents(load_probe("world-60").root)


def _in(root: Path) -> None:
    os.environ |= {"N2V_DATA": str(root / "data"), "N2V_PROGRESS": "0"}


def make_book(root: Path) -> book.Setting:
    """The pages of a book of three small chapters, under <root>/book."""
    pages = root / "book"
    for name in ("_config.yml", "book/_static", "book/_ext", "book/references.bib"):
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, pages / name)
    listed = "".join(f"  - file: book/{name}\n" for name in CHAPTERS)
    (pages / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{listed}")
    (pages / "book/index.md").write_text("# A small book\n")
    (pages / "params").mkdir()
    (pages / "params/small.yml").write_text("TAU: 0.01\n")
    for i, name in enumerate(CHAPTERS):
        _write_chapter(pages / f"book/{name}.ipynb", name, i)
    return book.Setting(pages / "params/small.yml", pages / "out", root=pages)


def _write_chapter(path: Path, name: str, number: int) -> None:
    cells = [
        nbformat.v4.new_markdown_cell(f"# Chapter {name}", id="title"),
        nbformat.v4.new_code_cell("TAU: float = 0.005", id="parameters", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(f"[TAU * {number + 2} * i for i in range(20)]", id="answer"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def execute(setting: book.Setting, jobs: int = 1) -> Results:
    """The book's executed copies, made where they are stale; one at a time, in kernels that import nothing before."""
    if jobs == 1:
        book.WARM = book.TIED
    if failed := book.run([f"book/{name}" for name in CHAPTERS], setting, jobs):
        raise RuntimeError("\n".join(failed))
    return {name: _sha256(setting.executed(f"book/{name}").read_bytes()) for name in CHAPTERS}


def build(setting: book.Setting) -> Results:
    """The pages of the book's site, built where it is not current."""
    return contents(builder.build(setting).parent)


def contents(folder: Path) -> Results:
    """Every file below a folder."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: _sha256(path.read_bytes()) for name, path in found.items()}


def without_sphinx() -> None:
    """From now on a site is its staged pages, and they are few: quick, and kept and replaced as a real one is."""
    builder._vega = builder._mathjax = lambda folder: None
    builder._sphinx = lambda stage, site: shutil.copytree(stage, site) and None


def prepare() -> None:
    """Before the first fork: what every child would read anew is read here, code and numba's types.

    Kernels are compiled in another process: a fork of one whose threads compile can hang.
    """
    code = (
        "import small, sys, tempfile; from pathlib import Path; small.measure(Path(tempfile.mkdtemp(dir=sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, folder], cwd=Path(__file__).parent, check=True)
    sources_digest(
        ["n2vlib.report", "n2vlib.world", "n2vlib.methods", uncertainty.__name__, "n2vlib.builder.chart_mime"]
    )
    for context in (cpu_target.typing_context, cpu_target.target_context):
        context.refresh()  # type: ignore[attr-defined]
    import_module("papermill")


def in_a_fork(function, *arguments) -> Results | None:
    """function(*arguments) in a process that has imported everything and computed nothing; None where it failed."""
    ours, theirs = os.pipe()
    child = start(function, *arguments, answer=theirs)
    os.close(theirs)
    with os.fdopen(ours) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def start(function, *arguments, answer: int | None = None) -> int:
    """Fork a child that runs function(*arguments), writes the results into the pipe, and ends; its number."""
    if child := os.fork():
        return child
    signal.alarm(LONGEST)
    silence, loud = os.open(os.devnull, os.O_RDWR), os.dup(2)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        results = function(*arguments)
        if answer is not None:
            os.write(answer, json.dumps(results).encode())
    except BaseException:
        os.write(loud, traceback.format_exc().encode())  # why a run after a kill fails, when one does
    finally:
        os._exit(0)


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()
