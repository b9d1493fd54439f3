"""What the book costs: processor and wall seconds of every process, by chapter and by what was done, commit by commit.

    python benchmarks/book.py                      this commit against c633a93, about 50 minutes on two quiet cores;
                                                   writes its part of benchmarks/RESULTS.md
    python benchmarks/book.py COMMIT ... --quick   these commits with params/ci.yml; prints tables, writes nothing

Each commit is cloned and run from an empty store, an empty data folder and uncompiled kernels. Seconds of a whole tree
of processes come from the system; what they were spent on, from samples (sampled/sitecustomize.py), which see all but
starting and ending a process, and programs that are not Python.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import results
from run import processor
from samples import chapter_of, read

from n2vlib.paths import ROOT

BASE, EDITED = "c633a93", "book/net2vec/single-filters.py"
# What a stack of the library's frames and its phase tell, the first that fits: (what was done, pattern).
KINDS = [
    ("start and imports", r"<frozen importlib|:<module> |^ $|^ending"),
    ("compiling kernels", r"/numba/core/"),
    ("drawing the images", r"\bworld/"),
    ("learning outlines", r"methods/segmentation.py:(align|train|start)"),
    ("learning to classify", r"methods/classification.py:(align|train|start)"),
    (
        "other networks trained",
        r"zoo/training|analysis/(exam|evaluation|discrimination).py.* /torch|zoo/__init__.py:train",
    ),
    (
        "reading networks",
        r"(activations|layer).py:read|streaming.py|(tail|quantiles).py|analysis/\w*ablation|behaviour.py|(rest|downstream).py",
    ),
    ("bootstrap", r"uncertainty.py|:resample"),
    ("counts", r"counts.py|iou.py|kernels/|conventions.py|dissection.py|single_filter.py"),
    ("probe set", r"\bprobe/"),
    (
        "charts and pictures",
        r"charts/|gallery.py|(look|style).py|html_table.py|(n2vlib|files)/cells.py|/altair/|/vl_convert|/PIL/",
    ),
    ("site", r"(making|build)/site.py|/sphinx/"),
    ("keys and digests", r"chapter_key.py|sources.py|sealed.py|fingerprint.py|made_by.py"),
]
REST, UNSEEN = "the rest", "not sampled"
FLOOR = r"(reading|learning|streaming|activations).*(/torch/nn/modules/|/PIL/)|kernels/(training|combination|sampling)"


@dataclass
class Run:
    """One command: its seconds, and those of its samples by (chapter, what was done)."""

    wall: float
    cpu: float
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    floor: float = 0.0


@dataclass
class Checkout:
    """A commit in a folder of its own, with all that its runs leave behind."""

    commit: str
    scratch: Path

    @property
    def root(self) -> Path:
        return self.scratch / "checkout"

    def clone(self) -> None:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.root)], check=True)
        subprocess.run(["git", "-C", str(self.root), "checkout", "-q", self.commit], check=True)

    def run(self, *arguments: str, store: str = "store") -> Run:
        """`python -m n2vlib ...` in the checkout; ends this program where it fails."""
        samples = self.scratch / "samples" / f"{time.monotonic():.3f}"
        samples.mkdir(parents=True)
        here = {"PYTHONPATH": os.pathsep.join([str(self.root), str(Path(__file__).with_name("sampled"))])}
        here |= {"N2V_STORE": str(self.scratch / store), "N2V_DATA": str(self.scratch / f"data-{store}")}
        here |= {"NUMBA_CACHE_DIR": str(self.scratch / f"numba-{store}"), "N2V_SAMPLES": str(samples)}
        before, start = _children(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "n2vlib", *arguments], cwd=self.root, env=os.environ | here, stdout=subprocess.PIPE
        )
        wall, cpu = time.perf_counter() - start, _children() - before
        if done.returncode:
            sys.exit(f"{self.commit}: n2vlib {' '.join(arguments)} failed\n{done.stdout.decode()[-3000:]}")
        return _told(samples, Run(wall, cpu))

    def edit(self) -> None:
        """One more sentence in one chapter, as a text and as a notebook."""
        page = self.root / EDITED
        text = page.read_text()
        first = text.index("# %% [markdown]\n") + len("# %% [markdown]\n")
        title = text.index("\n", first) + 1
        page.write_text(f"{text[:title]}#\n# One more sentence.\n{text[title:]}")
        self.run("pairs", "--write")


def _children() -> float:
    """Processor seconds of all ended processes that this one waited for, and of those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _told(samples: Path, run: Run) -> Run:
    """What the processes of a run kept, by chapter and by what was done."""
    books = read(samples)
    for pid in books:
        chapter = chapter_of(pid, books)
        for stack, seconds in books[pid]["seconds"].items():
            run.spent[chapter, kind(stack)] += seconds
            run.floor += seconds * bool(re.search(FLOOR, stack))
    run.spent["", UNSEEN] = max(0.0, run.cpu - run.spent.total())
    return run


def kind(stack: str) -> str:
    return next((name for name, pattern in KINDS if re.search(pattern, stack)), REST)


def measured(checkout: Checkout, params: str) -> dict[str, Run]:
    """Every command of the table of goals, for one commit."""
    checkout.clone()
    every = ["book", "--params", params]
    runs = {
        "`python -m n2vlib --help`": checkout.run("--help"),
        "`python -m n2vlib layers small-alexnet`": checkout.run("layers", "small-alexnet"),
        "first chapter, nothing in the store": checkout.run("run", "single-filters", "--params", params, store="first"),
        "the book, nothing in the store": checkout.run(*every),
        "the book, nothing changed": checkout.run(*every),
    }
    checkout.edit()
    chapter = Path(EDITED).stem
    runs["one chapter's prose edited, without the site"] = checkout.run(*every, chapter, "--no-site")
    runs["then the site"] = checkout.run(*every)
    for name, run in runs.items():
        print(f"{checkout.commit}: {name}: {run.wall:.1f} s, {run.cpu:.1f} s of the processor", flush=True)
    return runs


def goals(sides: dict[str, dict[str, Run]]) -> str:
    """A row a command, wall and processor seconds of each commit, and the first's over the last's."""
    head = "".join(f" {commit} wall s | {commit} CPU s |" for commit in sides)
    lines = [f"| command |{head} ratio of wall | ratio of CPU |", "|---|" + "---:|" * (2 * len(sides) + 2)]
    first, *_, last = sides.values()
    for name in first:
        cells = "".join(f" {runs[name].wall:,.1f} | {runs[name].cpu:,.1f} |" for runs in sides.values())
        ratios = [first[name].wall / last[name].wall, first[name].cpu / last[name].cpu]
        lines.append(f"| {name} |{cells} {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines)


def by_kind(sides: dict[str, Run]) -> str:
    kinds = [*(name for name, _ in KINDS), REST, UNSEEN]
    return _table("what was done", kinds, {c: _sums(run, 1) for c, run in sides.items()}, sides)


def by_chapter(sides: dict[str, Run]) -> str:
    sums = {commit: _sums(run, 0) for commit, run in sides.items()}
    chapters = sorted({name for some in sums.values() for name in some if name}, key=lambda name: -_first(sums)[name])
    return _table("chapter", [*chapters, ""], sums, sides)


def _first(sums: dict[str, Counter[str]]) -> Counter[str]:
    return next(iter(sums.values()))


def _sums(run: Run, at: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for key, seconds in run.spent.items():
        total[key[at]] += seconds
    return total


def _table(head: str, names: list[str], sums: dict[str, Counter[str]], sides: dict[str, Run]) -> str:
    lines = [f"| {head} | {' | '.join(f'{commit} CPU s' for commit in sides)} |", "|---|" + "---:|" * len(sides)]
    lines += [
        f"| {name or 'outside chapters'} | {' | '.join(f'{s[name]:,.1f}' for s in sums.values())} |" for name in names
    ]
    return "\n".join([*lines, f"| all | {' | '.join(f'{run.cpu:,.1f}' for run in sides.values())} |"])


def largest(run: Run, number: int = 40) -> str:
    """The most expensive pairs of chapter and what was done; printed, not kept."""
    return "\n".join(f"{s:8.1f}  {chapter or '-':45} {what}" for (chapter, what), s in run.spent.most_common(number))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="*", help=f"default: {BASE} and HEAD")
    parser.add_argument("--quick", action="store_true", help="params/ci.yml, RESULTS.md untouched")
    parser.add_argument("--keep", type=Path, help="folder for checkouts, stores and books [default: none is kept]")
    options = parser.parse_args()
    commits = options.commits or [BASE, _head()]
    params = "params/ci.yml" if options.quick else "params/embedded.yml"
    sides = {}
    for commit in commits:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            checkout = Checkout(commit, (options.keep or Path(folder)).resolve() / commit)
            sides[commit] = measured(checkout, params)
            disk = sum(file.stat().st_size for file in (checkout.scratch / "store").rglob("*") if file.is_file())
            print(f"{commit}: the store holds {disk / 1e9:.2f} GB", flush=True)
            print(largest(sides[commit]["the book, nothing in the store"]), flush=True)
    if len(sides) < 2:
        return 0
    whole = {commit: runs["the book, nothing in the store"] for commit, runs in sides.items()}
    floors = ", ".join(f"{run.floor:,.0f} s at {commit}" for commit, run in whole.items())
    text = "\n\n".join(
        [
            f"`python benchmarks/book.py`, {params}, {processor()}, {os.cpu_count()} cores, commits in turn.",
            goals(sides),
            f"The book, nothing in the store. Modules' forward passes, decoders and training kernels: {floors}.",
            by_kind(whole),
            by_chapter(whole),
        ]
    )
    print("\n" + text)
    if not options.quick and not options.commits:
        results.write("The book", text)
    return 0


def _head() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
