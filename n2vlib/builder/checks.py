"""The `test` command: every check that CI runs, step by step, and a table at the end."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from n2vlib.builder.child import tied
from n2vlib.builder.kernels import CHOICE, WARM
from n2vlib.errors import BadInput, near
from n2vlib.paths import ROOT

BUILD = ROOT / "build" / "ci"
FIRST, SECOND = BUILD / "store", BUILD / "store-nbval"
PASSED, FAILED = "passed", "FAILED"
BESIDE = ("pyright", "browser")  # run in parallel to the following steps: they often wait, or use one core of several
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # two processes at a time: with two threads each they compute a tenth more
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(only: list[str]) -> int:
    """Run the steps named (all, if none is), print a table, and return the number of steps that failed."""
    for name in only:
        if name not in STEPS:
            raise BadInput(f"--only {name}: no such step; {near(name, list(STEPS))}")
    rows = []
    with ThreadPoolExecutor(1) as pool:
        beside = []
        for name in only or STEPS:
            if name in BESIDE:
                beside.append(pool.submit(_run_step, name))
            else:
                rows.append(_run_step(name))
        rows += [step.result() for step in beside]
    print(f"\n{'step':<10} {'seconds':>8}  result")
    for name, seconds, outcome in rows:
        print(f"{name:<10} {seconds:>8.1f}  {outcome}")
    return sum(outcome.startswith(FAILED) for _, _, outcome in rows)


def _run_step(name: str) -> tuple[str, float, str]:
    """Run a step; returns its name, seconds and outcome."""
    print(f"\n=== {name}", flush=True)
    start = time.perf_counter()
    outcome = STEPS[name]()
    return name, time.perf_counter() - start, outcome


def browser() -> str | None:
    """The path of Chromium on this machine, None without one; Playwright's own download is not used."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def _python(*arguments: str, **environment: str) -> bool:
    command = [sys.executable, "-m", *arguments]
    print("$", "python", *command[1:], flush=True)
    # Keep compiled sources, or every process of every test compiles them again.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    return subprocess.run(tied(command), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode == 0


def _ruff() -> str:
    done = [_python("ruff", "format", "--check", "."), _python("ruff", "check", ".")]
    return PASSED if all(done) else FAILED


def _pyright() -> str:
    # With 16 MB for new objects, Node's default, a tenth of its time is garbage collection.
    more = f"{os.environ.get('NODE_OPTIONS', '')} --max-semi-space-size=128"
    return PASSED if _python("pyright", "--pythonpath", sys.executable, NODE_OPTIONS=more) else FAILED


def _pytest() -> str:
    # The tests of a file share measurements.
    options = ["-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--durations=40"]
    options += ["--ignore=tests/browser"]
    return PASSED if _python("pytest", *options, **ONE_THREAD) else FAILED


def _book() -> str:
    """Execute params/ci.yml from an empty store and build the site; stderr in a cell and site warnings are failures."""
    shutil.rmtree(BUILD, ignore_errors=True)
    command = ("n2vlib", "book", "--params", "params/ci.yml", "--out", str(BUILD))
    return PASSED if _python(*command, N2V_STORE=str(FIRST), **ONE_THREAD) else FAILED


def _nbval() -> str:
    """Execute the executed chapters once more, from a second empty store, and compare every output."""
    shutil.rmtree(SECOND, ignore_errors=True)
    notebooks = [str(path) for path in sorted((BUILD / "book").rglob("*.ipynb")) if ".part" not in path.name]
    if not notebooks:
        return f"{FAILED}: no executed chapter in {BUILD.relative_to(ROOT)}"
    # Two notebooks at a time, each as a whole in one process.
    options = ["-q", "-n", "2", "--dist", "loadfile", "--nbval", "--nbval-current-env"]
    options += ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
    environment = {"N2V_STORE": str(SECOND), "N2V_PROGRESS": "0", "N2V_PNG": "0", CHOICE: WARM}  # it compares no PNG
    environment |= ONE_THREAD
    same = _python("pytest", *options, "-o", "filterwarnings=default", *notebooks, **environment)
    if not (entries := _entries(SECOND)) or entries != _entries(FIRST):
        return f"{FAILED}: nbval's run computed {len(entries)} of the {len(_entries(FIRST))} stored measurements"
    return PASSED if same else FAILED


def _entries(store: Path) -> set[str]:
    """The entries of a store: folders with a record of what made them."""
    return {path.parent.relative_to(store).as_posix() for path in store.rglob("record.json")}


def _browser() -> str:
    if browser() is None and os.environ.get("REQUIRE_BROWSER") != "1":
        return "browser test: not run (no Chromium)"
    # In one process: two would make every report and start Chromium twice, and nbval needs longer beside it.
    return PASSED if _python("pytest", "-q", "tests/browser", N2V_BUILT=str(BUILD)) else FAILED


STEPS: dict[str, Callable[[], str]] = {
    "pairs": lambda: PASSED if _python("n2vlib", "pairs") else FAILED,
    "ruff": _ruff,
    "pyright": _pyright,
    "pytest": _pytest,
    "book": _book,
    "browser": _browser,
    "nbval": _nbval,
}
