"""Every chapter that reads its probe set, on sets that are not like Broden.

They have categories of their own, no pixel maps, few concepts, no detectors.

    python benchmarks/poor_sets.py                         every chapter on every set (about half an hour on one core)
    python benchmarks/poor_sets.py --set organs --only framework
    python benchmarks/poor_sets.py --sample 5 --seed 1     five chapters, each on one of the sets: what CI runs

A chapter may run to its end, or say in one line, before anything is measured, what the set lacks. Any other error, a
chart that cannot be drawn and a line on stderr are failures. Cells are executed in this process, as a notebook's
kernel would, with every chart drawn to PNG; that saves starting a kernel for each chapter.
"""

import argparse
import contextlib
import os
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat import NotebookNode
from numpy.typing import NDArray

from n2vlib.builder import book
from n2vlib.display.style import MIME
from n2vlib.errors import BadInput
from n2vlib.parameters import declared_in
from n2vlib.paths import ROOT
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store

SIZE, NO_DETECTORS = 64, "no-detectors"
CI = book.Setting(ROOT / "params" / "ci.yml", ROOT / "build")
NO_NUMBER = re.compile(r"(?<![\w.-])[+-]?(nan|inf)(?![a-z])", re.IGNORECASE)
NETWORK = """
import torch
from torch import nn

SHOWN = {"size": 64, "mean": 0.5, "std": 0.25}


def build(seed=3, filters=24):
    torch.manual_seed(seed)
    last = nn.Conv2d(16, filters, 3, 2, 1)
    return nn.Sequential(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), last, nn.ReLU()), SHOWN


def other():
    return build(4)


def wide():
    return build(5, 40)
"""


def scenes(
    n: int,
    maps: dict[str, tuple[int, ...]],
    whole: dict[str, tuple[int, ...]] | None = None,
    rare: int | None = None,
    gaps: float = 0.0,
    seed: int = 0,
) -> Iterator[Labelled]:
    """Pictures with one colored square for each category of `maps`; its concept is one of the category's at random.

    maps, whole   category -> label numbers
    rare          a label number that only the first image shows
    gaps          share of the images that a category says nothing of
    """
    rng = np.random.default_rng(seed)
    for i in range(n):
        image = rng.integers(60, 120, (SIZE, SIZE, 3)).astype(np.uint8)
        layers: dict[str, list[NDArray[np.uint16]]] = {}
        for category, numbers in maps.items():
            if i and rng.random() < gaps:
                continue
            number = rare if rare in numbers and not i else int(rng.choice([k for k in numbers if k != rare]))
            layers[category] = [_square(rng, image, number)]
        labels = {category: [int(rng.choice(numbers))] for category, numbers in (whole or {}).items()}
        for numbers in labels.values():
            image[:8] = 40 * numbers[0] % 256
        yield Labelled(f"d/{i:03}.png", image, layers, labels)


def _square(rng: np.random.Generator, image: NDArray[np.uint8], number: int) -> NDArray[np.uint16]:
    """Paint the concept into the picture and return its label map, at half the picture's size."""
    side, (y, x) = SIZE // 5, rng.integers(SIZE // 2 - SIZE // 5, size=2)
    layer = np.zeros((SIZE // 2, SIZE // 2), np.uint16)
    layer[y : y + side, x : x + side] = number
    image[layer.repeat(2, 0).repeat(2, 1) > 0] = [(10, 250)[(number >> bit) & 1] for bit in range(3)]
    return layer


def train(name: str) -> str:
    return "train"


def organs(root: Path) -> None:
    """Two categories of a user's own, two concepts each."""
    names = {1: "liver", 2: "kidney", 3: "cyst", 4: "tumour"}
    write(root, scenes(48, {"organ": (1, 2), "lesion": (3, 4)}), names)


def labels_only(root: Path) -> None:
    """Labels of whole images and no pixel map at all."""
    write(root, scenes(48, {}, {"diagnosis": (1, 2, 3)}), {1: "healthy", 2: "benign", 3: "malignant"})


def no_validation(root: Path) -> None:
    """Every image trains."""
    names = {1: "liver", 2: "kidney", 3: "inside", 4: "outside"}
    write(root, scenes(48, {"object": (1, 2)}, {"scene": (3, 4)}), names, split=train)


def single_image(root: Path) -> None:
    """One category, two concepts, of which one is in a single image."""
    write(root, scenes(48, {"cell": (1, 2)}, rare=2, gaps=0.3, seed=1), {1: "nucleus", 2: "mitosis"})


def one_concept(root: Path) -> None:
    """One concept in all, and every image shows it."""
    write(root, scenes(32, {"cell": (1,)}), {1: "nucleus"})


def names(root: Path) -> None:
    """Names that mean something to JavaScript, to Vega or to a page."""
    known = {1: "toString", 2: "a.b[0]", 3: 'it\'s "quoted"', 4: "<b>bold</b>", 5: "__proto__", 6: "\\back, = slash"}
    write(root, scenes(48, {"constructor": (1, 2), "__proto__": (3, 4)}, {"hasOwnProperty": (5, 6)}), known)


SETS: dict[str, Callable[[Path], None]] = {
    "organs": organs,
    "labels-only": labels_only,
    "no-validation": no_validation,
    "single-image": single_image,
    "one-concept": one_concept,
    "names": names,
    NO_DETECTORS: organs,  # no filter reaches the IoU threshold
}


def code(chapter: str) -> list[NotebookNode]:
    """The code cells of a chapter."""
    return [cell for cell in jupytext.read(ROOT / f"{chapter}.py").cells if cell.cell_type == "code"]


def of_parameters(cell: NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def reads_its_set(chapter: str) -> bool:
    """Whether a chapter does anything with its probe set."""
    return any("PROBE" in cell.source for cell in code(chapter) if not of_parameters(cell))


def parameters(chapter: str, root: Path, probe: str) -> dict[str, Any]:
    """The parameters of a chapter: CI's, with a tiny network of two layers, and siblings where some are compared."""
    build, other, wide = (f"{root / 'net.py'}:{name}" for name in ("build", "other", "wide"))
    first, second, third = [
        {"network": network, "layer": "3", "label": label}
        for network, label in ((build, "a"), (other, "b"), (wide, "c"))
    ]
    known = {
        "PROBE": str(root / probe),
        "NETWORK": build,
        "LAYERS": ["1", "3"],
        "TAU": 0.02,
        "EPOCHS": 2,
        "DEVICE": "cpu",
        "NETWORKS": [first | {"steps": 1, "training": "supervised"}, second | {"training": "random"}, third],
        "MAPS": [second, third],
        "BY_LAYER": [{"network": other, "layer": "1"}, {"network": other, "layer": "3"}],
        "CONDITIONS": [first, second],
        "SNAPSHOTS": [first, second],
        "TO_SCENES": [first, second],
        "TO_OBJECTS": [first, second],
        "WIDTHS": [first, third],
        "ALONG": [first | {"steps": 0}, second | {"steps": 9}],
        "BACK": [first | {"steps": 0}, second | {"steps": 9}],
        "SECOND": other,
        "SUBSETS_SEGMENTATION": [1, 4],
        "SUBSETS_CLASSIFICATION": [1, 4],
        "NOISE": [0, 20],
        "PLANTED_FILTERS": [1, 2],
        "ALPHAS": [0.0, 1.0],
        "ROTATIONS": 2,
        "RATED": 4,
        "TAUS": [0.01, 0.02],
    }
    if probe == NO_DETECTORS:
        known["IOU_THRESHOLD"] = 0.99
    declared, _ = declared_in(next(cell.source for cell in code(chapter) if of_parameters(cell)))
    given = {name: value for name, value in known.items() if name in declared}
    if chapter.endswith(("captioning", "transformer")):
        del given["NETWORKS"]  # of the zoo's: one that says captions, a transformer
    return book.parameters_of(chapter, [*CI.given(chapter), ("poor_sets", given)])


class Executed(Exception):
    """A cell that failed: one line."""


def execute(chapter: str, given: dict[str, Any]) -> str:
    """Execute a chapter's cells; '' where it ran to its end, else the line by which it says what the set lacks.

    Raises Executed for every other outcome.
    """
    asked: list[str] = []
    shell = _shell()
    with contextlib.chdir((ROOT / chapter).parent), _watched(asked):
        for place, cell in enumerate(code(chapter)):
            source = cell.source
            if of_parameters(cell):
                source += "".join(f"\n{name} = {value!r}" for name, value in given.items())
            failed, said = _executed_cell(shell, source)
            if failed is None and not said:
                continue
            line = next(line for line in cell.source.splitlines() if line.strip())
            if isinstance(failed, BadInput) and not asked:
                return str(failed)
            when = " after measuring" if isinstance(failed, BadInput) else ""
            what = f"{type(failed).__name__}{when}: {failed}" if failed else said
            raise Executed(f"cell {place} `{line[:70]}`: {' '.join(what.split())[:300]}") from failed
    return ""


def _executed_cell(shell: InteractiveShell, source: str) -> tuple[BaseException | None, str]:
    """The error of a cell, of its code or of drawing what it shows; and what is wrong with what it says."""
    errors: list[BaseException] = []
    shell.showtraceback = lambda *a, **k: errors.append(sys.exc_info()[1])  # type: ignore[method-assign]
    with capture_output() as written:
        done = shell.run_cell(source)
    failed = done.error_before_exec or done.error_in_exec or (errors[0] if errors else None)
    shown = [output.data for output in written.outputs]
    texts = [written.stdout, *(data.get("text/plain", "") for data in shown)]
    texts *= not source.startswith(("reference(", "modules("))  # docstrings may say what NaN means
    if written.stderr:
        return failed, f"wrote to stderr: {written.stderr}"
    if nothing := next(filter(None, map(NO_NUMBER.search, texts)), None):
        return failed, f"says {nothing.group()!r}: {nothing.string[max(0, nothing.start() - 80) :][:120]}"
    empty = [data["text/plain"] for data in shown if MIME in data and not _drawn(data[MIME])]
    return failed, f"an empty chart: {empty[0]}" if empty else ""


def _drawn(spec: dict[str, Any]) -> bool:
    """Whether every data set of a chart has a row."""
    return all(spec.get("datasets", {}).values())


def _shell() -> InteractiveShell:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False  # type: ignore[union-attr]
    return shell


@contextlib.contextmanager
def _watched(asked: list[str]) -> Iterator[None]:
    """Note in `asked` each kind of measurement that is asked of the store."""
    entries = Store.entries

    def noting(self: Store, kind: str, *arguments: Any) -> list[Path]:
        asked.append(kind)
        return entries(self, kind, *arguments)

    Store.entries = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        Store.entries = entries  # type: ignore[method-assign]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=SETS, help="[default: all]")
    parser.add_argument("--only", action="append", help="chapters [default: all]")
    parser.add_argument("--sample", type=int, help="as many chapters, each on one set, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder of sets and measurements, kept [default: a temporary one]")
    parser.add_argument("--trace", action="store_true", help="show where a chapter failed")
    told = parser.parse_args()
    chapters = [book.find_chapter(name) for name in told.only or []] or [*filter(reads_its_set, book.chapters())]
    todo = [(name, chapter) for name in told.set or SETS for chapter in chapters]
    if told.sample:
        rng = random.Random(told.seed)
        todo = [(rng.choice(told.set or list(SETS)), chapter) for chapter in rng.sample(chapters, told.sample)]
    with tempfile.TemporaryDirectory() as scratch:
        failed = run(todo, told.keep or Path(scratch), told.trace)
    return int(failed > 0)


def run(todo: list[tuple[str, str]], root: Path, trace: bool) -> int:
    """Execute pairs of set and chapter, print a line for each, and return how many failed; `trace`: where."""
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    os.environ |= {"N2V_STORE": str(root / "store"), "N2V_DATA": str(root / "data"), "N2V_PROGRESS": "0"}
    (root / "net.py").write_text(NETWORK, encoding="utf-8")
    failed = 0
    for probe, chapter in todo:
        if not (root / probe).exists():
            SETS[probe](root / probe)
        start = time.perf_counter()
        try:
            said = execute(chapter, parameters(chapter, root, probe))
            outcome = f"says: {said}" if said else "runs"
        except Executed as error:
            failed, outcome = failed + 1, f"FAILED {error}"
            if trace:
                traceback.print_exception(error.__cause__)
        print(
            f"{probe:<14} {chapter.removeprefix('book/'):<36} {time.perf_counter() - start:5.1f} s  {outcome}",
            flush=True,
        )
    print(f"{failed} of {len(todo)} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
