"""Kill the product at random moments, run it again, and compare: the same bytes, nothing alive, nothing left over?

    python benchmarks/kills.py                200 kills; writes its part of benchmarks/RESULTS.md
    python benchmarks/kills.py --quick        10 kills; prints the table and writes nothing

A trial starts what is killed from the state before it, and kills it with SIGKILL one to three times, each at a moment
drawn from the seconds that a run without kills takes; a run that ends earlier is no kill. Only the process itself is
killed: 5 s later none of those it started may live. Then one run goes to its end: what it gives, and every file on
disk, must be what a run without kills gives, and there must be no other file. Of the site, Sphinx is left out, and an
older site lies in its place.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import results
import small
from orphans import adopt_orphans

SAME, OTHER, FAILS, PROCESS, FILES = "same bytes", "other bytes", "fails", "process left", "files left"
ENDS = (SAME, OTHER, FAILS, PROCESS, FILES)
PATIENCE = 5  # seconds in which what a killed process started must end
NO_CONTENT = ("*.lock", "*/fingerprints/*.txt")
MOST = 3  # kills before a run may end


@dataclass(frozen=True)
class Part:
    """What is killed: its share of all kills, the folder it writes into, what runs it, and what is done before."""

    name: str
    share: float
    folder: Path
    run: Callable[[], small.Results]
    before: Callable[[], object] = lambda: None


def parts(root: Path) -> list[Part]:
    for name in ("measured", "drawn", "drawn by two"):
        (root / name).mkdir()
    setting, pages = small.make_book(root), root / "book"
    return [
        Part("measuring", 0.3, root / "measured", lambda: small.measure(root / "measured")),
        Part("drawing the world", 0.25, root / "drawn", lambda: small.draw(root / "drawn")),
        Part("drawing by two processes", 0.05, root / "drawn by two", lambda: small.draw(root / "drawn by two", 1)),
        Part("executing three chapters at a time", 0.1, pages, lambda: small.execute(setting, 3)),
        Part(
            "executing two, in forked kernels",
            0.02,
            pages,
            lambda: small.execute(setting, 2),
            lambda: shutil.rmtree(setting.out, ignore_errors=True),
        ),
        Part("building the site", 0.28, pages, lambda: small.build(setting), lambda: build_older_site(setting)),
    ]


def build_older_site(setting) -> None:
    """Of another first page, and of executed chapters."""
    index = setting.root / "book/index.md"
    text = index.read_text(encoding="utf-8")
    index.write_text("# An older book\n", encoding="utf-8")
    small.in_a_fork(small.execute, setting)
    small.in_a_fork(small.build, setting)
    index.write_text(text, encoding="utf-8")


class Trial:
    """A part in the state before it runs, kept aside, and what a run without kills gives."""

    def __init__(self, part: Part, kept: Path):
        self.part, self.kept = part, kept
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(part.folder, kept)
        start = time.perf_counter()
        expected = small.in_a_fork(part.run)
        self.seconds = time.perf_counter() - start
        if expected is None:
            sys.exit(f"{part.name}: fails without a kill")
        self.expected, self.files = expected, on_disk(part.folder)

    def restore(self) -> None:
        shutil.rmtree(self.part.folder)
        shutil.copytree(self.kept, self.part.folder)

    def outcome(self, moments: list[float]) -> tuple[int, str]:
        """How many kills there were, at most one at each of these moments, and how it ended."""
        self.restore()
        kills, processes = 0, False
        for moment in moments:
            if not killed(small.start(self.part.run), moment):
                break
            kills += 1
            processes |= any_left()
        if not kills:
            return 0, SAME
        found = small.in_a_fork(self.part.run)
        return kills, PROCESS if processes or any_left() else self._said(found)

    def _said(self, found: small.Results | None) -> str:
        if found is None:
            return FAILS
        files = on_disk(self.part.folder)
        if left := sorted(set(files) - set(self.files)):
            print(f"left: {', '.join(left)}", flush=True)
            return FILES
        return SAME if (found, files) == (self.expected, self.files) else OTHER


def on_disk(folder: Path) -> small.Results:
    """Every file and folder below a folder; locks are no content, and memos are named after times of files."""
    folders = {path.relative_to(folder).as_posix(): "" for path in folder.rglob("*") if path.is_dir()}
    found = folders | small.contents(folder)
    return {name: what for name, what in found.items() if not any(fnmatch(name, other) for other in NO_CONTENT)}


def killed(child: int, moment: float) -> bool:
    """Kill the child after so many seconds; False where it has ended before."""
    end = time.monotonic() + moment
    while (left := end - time.monotonic()) > 0:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(min(left, 0.005))
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def any_left() -> bool:
    """Whether descendants of this process live on; those that do are ended."""
    end = time.monotonic() + PATIENCE
    while (left := descendants()) and time.monotonic() < end:
        time.sleep(0.02)
    for process in left:
        with suppress(ProcessLookupError):
            print(f"lives: {Path(f'/proc/{process}/cmdline').read_bytes()!r}", flush=True)
            os.kill(process, signal.SIGKILL)
    while descendants():
        time.sleep(0.02)
    return bool(left)


def descendants() -> list[int]:
    """Processes below this one; orphans are handed to it (`adopt_orphans`), and the dead ones are taken off."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    parent = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [os.getpid()]
    for process in found:
        found += [child for child, above in parent.items() if above == process]
    return found[1:]


def campaign(root: Path, number: int, seed: int) -> list[tuple[str, str]]:
    """Kill each part its share of `number` times: (part, how it ended), one a kill."""
    rng, done = random.Random(seed), []
    small.without_sphinx()
    *first, last = parts(root)
    for part in [*first, last]:
        if not (left := number - len(done) if part is last else int(part.share * number)):
            continue
        part.before()
        trial = Trial(part, root / "kept")
        print(f"{part.name}: {trial.seconds:.1f} s without a kill", flush=True)
        while left:
            moments = [rng.uniform(0, trial.seconds) for _ in range(min(left, rng.randint(1, MOST)))]
            kills, said = trial.outcome(moments)
            left -= kills
            done += [(part.name, said)] * kills
            if kills:
                print(f"{part.name}: killed after {', '.join(f'{s:.3f}' for s in moments)} s: {said}", flush=True)
    return done


def table(done: list[tuple[str, str]]) -> str:
    """One row a part and one for all: kills, and how many of them ended how."""
    lines = [f"| killed | kills | {' | '.join(ENDS)} |", "|---|" + "---:|" * (1 + len(ENDS))]
    for name in [*dict.fromkeys(name for name, _ in done), "all"]:
        count = Counter(said for part, said in done if name in (part, "all"))
        lines.append(f"| {name} | {count.total():,} | {' | '.join(f'{count[end]:,}' for end in ENDS)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 kills, RESULTS.md untouched")
    parser.add_argument("--number", type=int, help="how many kills (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    adopt_orphans()
    small.prepare()
    number = options.number or (10 if options.quick else 200)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["JUPYTER_RUNTIME_DIR"] = f"{folder}/jupyter"  # where killed kernels leave their connection files,
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # and what they listened at
        done = campaign(Path(folder).resolve(), number, options.seed)
    goal = f"{number} of {number} same bytes"
    text = f"`python benchmarks/kills.py`, seed {options.seed}; goal: {goal}.\n\n{table(done)}"
    print("\n" + text)
    if not options.quick and options.number is None:
        results.write("Kills", text)
    return 0 if all(said == SAME for _, said in done) else 1


if __name__ == "__main__":
    sys.exit(main())
