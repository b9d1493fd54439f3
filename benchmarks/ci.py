"""What CI costs: processor and wall seconds of `.ci/run`, commit by commit, in turn.

    python benchmarks/ci.py NEW OLD --shared FOLDER          about 40 minutes on two quiet cores; writes its part of
                                                             benchmarks/RESULTS.md
    python benchmarks/ci.py COMMIT --shared FOLDER           one of them, by parts of the book; writes nothing

Each commit is cloned beside a link to FOLDER (photographs for the tests) and installed into a virtual environment of
its own, which does not count. The system counts the seconds of the processor, for all processes together. Of Python
they are booked (sampled/sitecustomize.py) to the chapter or the file of tests that took them, and both to the part of
the book in whose days git has first seen them.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import results
from orphans import adopt_orphans
from run import processor
from samples import chapter_of, read

from n2vlib.paths import ROOT

SINCE = {  # when work on a part of the book began
    "Net2Vec, Network Dissection": "",
    "how sure is a name": "2026-11-29 07:00",
    "your own network and data": "2026-11-29 11:00",
    "formulas": "2026-11-29 13:36",
    "words": "2026-11-30 03:00",
    "neuralese": "2026-11-30 10:00",
    "later": "2026-11-30 15:00",
}
STEPS = ("tests", "book", "nbval", "browser")


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float
    steps: dict[str, float]  # wall seconds by step, as the table at its end says them
    spent: Counter[tuple[str, str]] = field(default_factory=Counter)  # processor seconds of Python by (file, step)


def measured(commit: str, folder: Path, shared: Path | None) -> Run:
    """`.ci/run` of one commit in a clone of its own; ends this program where a step fails."""
    clone = folder / commit
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "-q", commit], check=True)
    if shared:
        (folder / "shared").symlink_to(shared.resolve())
    clean = {n: v for n, v in os.environ.items() if not n.startswith("N2V_") and n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(["make", "-s", ".venv/.installed"], cwd=clone, env=clean, check=True)
    samples = folder / f"samples-{commit}"
    samples.mkdir()
    clean |= {"PYTHONPATH": str(Path(__file__).with_name("sampled").resolve()), "N2V_SAMPLES": str(samples)}
    before, start = _children(), time.perf_counter()
    done = subprocess.run(["bash", ".ci/run"], cwd=clone, env=clean, text=True, capture_output=True)
    wall, cpu = time.perf_counter() - start, _children() - before
    rows = re.findall(r"^(\w+) +([\d.]+)  passed$", done.stdout, re.MULTILINE)
    run = Run(wall, cpu, {name: float(seconds) for name, seconds in rows}, _spent(samples))
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\n{by_part(run)}\n{commit}: .ci/run failed; {wall:.0f} s, {cpu:.0f} s CPU")
    return run


def _spent(samples: Path) -> Counter[tuple[str, str]]:
    """Processor seconds of the sampled processes by (file of tests or chapter, step)."""
    books = read(samples)
    found: Counter[tuple[str, str]] = Counter()
    for pid, kept in books.items():
        for test, seconds in kept["tests"].items():
            if _source_of_kernels(kept):
                found["", "tests"] += seconds  # the first chapter starts it, all others use it, too
            elif test.endswith(".ipynb"):
                found[f"book/{test.rpartition('/book/')[2].removesuffix('.ipynb')}.py", "nbval"] += seconds
            elif test:
                name = f"tests/{test.rpartition('tests/')[2]}"
                found[name, "browser" if "/browser/" in name else "tests"] += seconds
            elif chapter := chapter_of(pid, books):
                found[f"{chapter}.py", "book"] += seconds
            else:
                found["", "tests"] += seconds  # collecting tests, building the site, the commands themselves
    return found


def _source_of_kernels(kept: dict) -> bool:
    """Whether kernels are forked from the process, which runs none itself."""
    serves = [stack for stack in kept["seconds"] if stack.startswith("builder/kernels.py:serve")]
    return bool(serves) and not any("_be_kernel" in stack for stack in serves)


def _part(file: str) -> str:
    """The part of the book in whose days a file came."""
    told = ["git", "log", "--diff-filter=A", "--format=%ad", "--date=format:%Y-%m-%d %H:%M", "--", file]
    dates = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    first = min(filter(None, dates), default="")
    return [part for part, since in SINCE.items() if since <= first][-1]


def by_part(run: Run) -> str:
    """A row a part of the book: processor seconds of its own chapters and files of tests, step by step."""
    sums: Counter[tuple[str, str]] = Counter()
    for (file, step), seconds in run.spent.items():
        sums[_part(file) if file else "collecting tests, the site, commands", "all" if not file else step] += seconds
    rows = [*SINCE, "collecting tests, the site, commands"]
    lines = [f"| part | {' | '.join(STEPS)} | all |", "|---|" + "---:|" * (len(STEPS) + 1)]
    for part in rows:
        each = [sums[part, step] for step in STEPS]
        lines.append(f"| {part} | {' | '.join(f'{s:,.0f}' for s in each)} | {sum(each) + sums[part, 'all']:,.0f} |")
    rest = max(0.0, run.cpu - sum(sums.values()))
    return "\n".join([*lines, f"| not Python: Chromium, node | {' | '.join([''] * len(STEPS))} | {rest:,.0f} |"])


def by_file(run: Run, number: int = 60) -> str:
    """The most expensive files; printed, not kept."""
    return "\n".join(
        f"{seconds:8.1f}  {step:8} {file or '-'}" for (file, step), seconds in run.spent.most_common(number)
    )


def _children() -> float:
    """Processor seconds of all ended processes that this one waited for, and of those that they waited for."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(runs: dict[str, Run]) -> str:
    steps = list(dict.fromkeys(step for run in runs.values() for step in run.steps))
    lines = [f"| commit | CPU s | wall s | {' | '.join(steps)} |", "|---|" + "---:|" * (2 + len(steps))]
    for commit, run in runs.items():
        walls = " | ".join(f"{run.steps[step]:,.0f}" if step in run.steps else "" for step in steps)
        lines.append(f"| {commit} | {run.cpu:,.0f} | {run.wall:,.0f} | {walls} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--shared", type=Path, help="photographs and networks for the tests that need them")
    options = parser.parse_args()
    adopt_orphans()  # Chromium's processes end after the one that started them
    runs = {}
    for commit in options.commits:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            runs[commit] = measured(commit, Path(folder), options.shared)
        print("\n\n".join([by_file(runs[commit]), table({commit: runs[commit]}), by_part(runs[commit])]), flush=True)
    if len(runs) > 1:
        text = f"`python benchmarks/ci.py {' '.join(runs)}`, {processor()}, {os.cpu_count()} cores, commits in turn."
        new = options.commits[0]
        said = f"{new}, processor seconds by part of the book, of its own chapters and files of tests:"
        results.write("CI, commit by commit", "\n\n".join([text, table(runs), said, by_part(runs[new])]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
