"""The store: one key for everything that made a result, entries complete or absent, made by one run at a time."""

import ast
import json
import multiprocessing
import os
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from n2vlib import sources
from n2vlib.activations.layer import MODULES
from n2vlib.sources import code_of, imported_modules, sources_digest, sources_of
from n2vlib.store import Store, in_chunks, load_array, save_arrays


def make_slowly(root: str) -> None:
    def make(folder: Path) -> None:
        (Path(root) / "made").open("a").write("x")
        time.sleep(0.5)
        save_arrays(folder, answer=np.arange(3))

    folder = Store(root).entry("kind", {"a": 1}, [], make)
    assert load_array(folder, "answer").tolist() == [0, 1, 2]


def test_two_runs_at_once_make_an_entry_once(tmp_path):
    runs = [multiprocessing.get_context("spawn").Process(target=make_slowly, args=(str(tmp_path),)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0] and (tmp_path / "made").read_text() == "x"


def test_other_inputs_are_another_entry_and_the_record_says_what_made_it(tmp_path):
    store = Store(str(tmp_path))
    made = [
        store.entry("kind", {"tau": tau}, ["n2vlib.masks.iou"], lambda folder: None) for tau in (0.005, 0.01, 0.005)
    ]
    assert made[0] == made[2] != made[1]
    assert json.loads((made[1] / "record.json").read_text())["inputs"] == {"tau": 0.01}


def test_a_failed_make_leaves_no_entry(tmp_path):
    def fail(folder: Path) -> None:
        save_arrays(folder, half=np.zeros(2))
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        Store(str(tmp_path)).entry("kind", {}, [], fail)
    assert not list(tmp_path.glob("kind/*/record.json"))


def test_one_pass_makes_only_the_entries_that_are_missing(tmp_path):
    store, asked = Store(str(tmp_path)), []
    store.entry("kind", {"layer": "a"}, [], lambda folder: None)
    store.entries("kind", [{"layer": "a"}, {"layer": "b"}], [], lambda missing: asked.extend(missing))
    assert asked == [1]


def test_chunks_done_before_an_interruption_are_not_computed_again(tmp_path):
    seen = []

    def compute(item: int) -> dict[str, np.ndarray]:
        seen.append(item)
        if item == 5 and seen.count(5) == 1:
            raise KeyboardInterrupt
        return {"square": np.array([item**2])}

    with pytest.raises(KeyboardInterrupt):
        in_chunks(tmp_path, range(8), compute, "squares", size=2)
    in_chunks(tmp_path, range(8), compute, "squares", size=2)
    assert load_array(tmp_path, "square").tolist() == [n**2 for n in range(8)]
    assert seen.count(0) == seen.count(3) == 1 and not list(tmp_path.glob("chunk-*"))


def test_the_key_follows_our_imports_and_stops_at_charts():
    names = {path.relative_to(path.parents[1]).as_posix() for path in sources_of(["n2vlib.methods.single_filter"])}
    assert {"methods/single_filter.py", "masks/counts.py", "kernels/tally.py", "masks/iou.py"} <= names
    assert not names & {"charts/__init__.py", "display/gallery.py", "builder/book.py", "n2vlib/__init__.py"}


def test_a_new_network_in_the_zoo_leaves_stored_measurements_alone():
    names = {path.as_posix().rpartition("n2vlib/")[2] for path in sources_of(MODULES)}
    assert {"activations/layer.py", "activations/streaming.py", "networks/hooks.py"} <= names
    assert "networks/load.py" not in names and not any(name.startswith("zoo/") for name in names)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import n2vlib", ["n2vlib"]),
        ("import n2vlib\nn2vlib.load_probe()", ["n2vlib", "n2vlib.probe"]),
        (
            "import n2vlib\nn2vlib.methods.segmentation.align",
            ["n2vlib", "n2vlib.methods", "n2vlib.methods.segmentation"],
        ),
        (
            "from n2vlib import significance as sure\nsure.chance.deal",
            ["n2vlib.significance", "n2vlib.significance.chance"],
        ),
        (
            "import n2vlib.methods as ways\ndef late():\n    return ways.dissection",
            ["n2vlib.methods", "n2vlib.methods.dissection"],
        ),
        ("import numpy as n2v\nn2v.methods.dissection", []),
        ("from n2vlib import gallery, read_layers", ["n2vlib.activations.layer", "n2vlib.display.gallery"]),
        ("from n2vlib.methods import segmentation", ["n2vlib.methods.segmentation"]),
        ("from n2vlib.masks.iou import taps", ["n2vlib.masks.iou"]),
        ("def late():\n    from n2vlib import charts", ["n2vlib.charts"]),
        ("import numpy", []),
        ("if TYPE_CHECKING:\n    from n2vlib.networks.load import Network", []),
    ],
)
def test_imports_are_found_wherever_they_stand(source, expected):
    assert imported_modules(source) == expected


CODE = '''"""What it does."""
import numpy as np


class Way:
    """One way."""

    size: int = 3
    """Pixels."""


def area(mask, scale=2):
    """Pixels of a mask."""
    if mask is None:
        raise ValueError("mask: none is given")
    assert scale > 0, "positive"
    return mask.sum() * scale
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it does."""', '"""What it does, said better."""'),
        ('    """One way."""\n\n', ""),
        ('    """Pixels."""\n', ""),
        ('    """Pixels of a mask."""\n', '    """Its area: pixels."""  # of the union\n'),
        ("def area(mask, scale=2):", "def area(mask: np.ndarray, scale: int = 2) -> int:"),
        ("size: int = 3", "size: float = 3"),
        ('ValueError("mask: none is given")', 'ValueError(f"mask {mask}: give one") from None'),
        ('"positive"', 'f"{scale} is not positive"'),
        ("return mask.sum() * scale", "return (\n        mask.sum()\n        * scale\n    )"),
    ],
)
def test_prose_annotations_and_layout_are_no_code(old, new):
    assert old in CODE and code_of(CODE.replace(old, new)) == code_of(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scale=2", "scale=3"),
        ("scale=2", "scale=2.0"),
        ("sum()", "mean()"),
        ("size: int = 3", "size: int = 4"),
        ("is None", "is not None"),
        ("ValueError", "KeyError"),
        ("scale > 0", "scale >= 0"),
        ("import numpy as np", "import torch as np"),
        ("    return", "    mask = mask > 0\n    return"),
        ("* scale", "* 'scale'"),
    ],
)
def test_whatever_can_change_a_number_is_code(old, new):
    assert old in CODE and code_of(CODE.replace(old, new)) != code_of(CODE)


def test_the_digest_of_sources_follows_an_edit_of_code_in_a_file(tmp_path, monkeypatch):
    module, seen = tmp_path / "counting.py", []
    monkeypatch.setattr("n2vlib.sources.module_file", lambda name: module if name == "n2vlib.counting" else None)
    for text in ("x = 1\n", "x = 1  # one\n", "x = 2\n"):
        module.write_text(text)
        os.utime(module, ns=(len(seen), len(seen)))
        seen.append(sources_digest(["n2vlib.counting"]))
    assert seen[0] == seen[1] != seen[2]


def test_what_sources_say_is_kept_for_the_next_process_unless_damaged(tmp_path, monkeypatch):
    module, kept = tmp_path / "counting.py", tmp_path / "sources.json"
    module.write_text("import n2vlib.store\n")
    monkeypatch.setattr(sources, "module_file", lambda name: module if name == "n2vlib.counting" else None)
    monkeypatch.setattr(sources, "cache_from_source", lambda _: str(tmp_path / "sources.pyc"))
    monkeypatch.setattr("sys.dont_write_bytecode", False)

    def in_a_new_process() -> str:
        monkeypatch.setattr(sources, "_notes", cache(sources._Notes))
        sources._said.cache_clear()
        return sources_digest(["n2vlib.counting"])

    first, parse = in_a_new_process(), ast.parse
    monkeypatch.setattr("ast.parse", None)
    assert kept.exists() and in_a_new_process() == first
    damaged = kept.read_text().replace("n2vlib.store", "n2vlib.other")
    kept.write_text(damaged)
    with pytest.raises(TypeError):
        in_a_new_process()
    monkeypatch.setattr("ast.parse", parse)
    assert in_a_new_process() == first and kept.read_text() != damaged


def test_a_table_is_computed_once_and_read_as_it_was(tmp_path):
    tables = [pd.DataFrame({"name": ["a", "b"], "share": [0.1, np.nan], "won": [True, False], "n": [1, 2]})]
    store = Store(str(tmp_path))
    first = store.table("tables", {"a": 1}, [], tables.pop)
    pd.testing.assert_frame_equal(store.table("tables", {"a": 1}, [], tables.pop), first)
    assert first["share"][0] == 0.1 and first.dtypes.astype(str).tolist()[1:] == ["float64", "bool", "int64"]


@pytest.mark.parametrize("kind", ["int32", "int64", "uint32"])
@pytest.mark.parametrize("shape", [(40, 30, 20), (0, 5)])
def test_counts_are_compressed_and_come_back_the_same(tmp_path, kind, shape):
    rng = np.random.default_rng(0)
    counts = (rng.poisson(0.05, shape) * rng.integers(1, 2000, shape)).astype(kind)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save_arrays(tmp_path / folder, counts=counts, line=counts.reshape(-1), small=counts.astype(np.uint8))
    one, other = tmp_path / "one", tmp_path / "other"
    assert sorted(each.name for each in one.iterdir()) == ["counts.npy.gz", "line.npy", "small.npy"]
    assert all(each.read_bytes() == (other / each.name).read_bytes() for each in one.iterdir())
    if counts.size:
        assert (one / "counts.npy.gz").stat().st_size < (one / "line.npy").stat().st_size / 4
    again = load_array(one, "counts")
    assert again.dtype == counts.dtype and again.shape == counts.shape and not again.flags.writeable
    np.testing.assert_array_equal(again, counts)
