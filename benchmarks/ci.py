"""What CI costs: processor and wall seconds of `.ci/run`, commit by commit, in turn.

    python benchmarks/ci.py COMMIT COMMIT --shared FOLDER    about 40 minutes on two quiet cores; writes its part of
                                                             benchmarks/RESULTS.md

Each commit is cloned beside a link to FOLDER (photographs for the tests) and installed into a virtual environment of
its own, which does not count. The system counts the seconds of the processor, for all processes together.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import results
from run import processor

from n2vlib.paths import ROOT


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float
    steps: dict[str, float]  # wall seconds by step, as the table at its end says them


def measured(commit: str, folder: Path, shared: Path | None) -> Run:
    """`.ci/run` of one commit in a clone of its own; ends this program where a step fails."""
    clone = folder / commit
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "-q", commit], check=True)
    if shared:
        (folder / "shared").symlink_to(shared.resolve())
    clean = {n: v for n, v in os.environ.items() if not n.startswith("N2V_") and n not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(["make", "-s", ".venv/.installed"], cwd=clone, env=clean, check=True)
    before, start = _children(), time.perf_counter()
    done = subprocess.run(["bash", ".ci/run"], cwd=clone, env=clean, text=True, capture_output=True)
    wall, cpu = time.perf_counter() - start, _children() - before
    if done.returncode:
        sys.exit(f"{commit}: .ci/run failed, {wall:.0f} s, {cpu:.0f} s of the processor\n{done.stdout}{done.stderr}")
    rows = re.findall(r"^(\w+) +([\d.]+)  passed$", done.stdout, re.MULTILINE)
    return Run(wall, cpu, {name: float(seconds) for name, seconds in rows})


def _children() -> float:
    """Processor seconds of all ended processes that this one waited for, and of those that they waited for."""
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
    runs = {}
    for commit in options.commits:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            runs[commit] = measured(commit, Path(folder), options.shared)
        print(table({commit: runs[commit]}), flush=True)
    if len(runs) > 1:
        text = f"`python benchmarks/ci.py {' '.join(runs)}`, {processor()}, {os.cpu_count()} cores, commits in turn."
        results.write("CI, commit by commit", f"{text}\n\n{table(runs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
