"""Damage what the product keeps on disk, run it again, and compare: does it heal, fail, or give other numbers?

    python benchmarks/damage.py                1,000 damages; writes its part of benchmarks/RESULTS.md
    python benchmarks/damage.py --quick        50 damages; prints the table and writes nothing

Damage is done while no process runs: a file loses a bit, its end, its content or its place, holds other valid content,
or has changed places with another, or its folder has; half of it keeps the modification times. Every run is a process
that has computed nothing before. Damages of one round hit folders that do not depend on one another; where a round goes
wrong, each of its damages is tried alone. Of the site, Sphinx is left out: its pages are the staged ones.
"""

import argparse
import gzip
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import results
import small

HEALED, MENDED, STAYS, SILENT = "healed", "error, then healed", "stays", "silent"
AT_ONCE = 8


@dataclass(frozen=True)
class Damage:
    """One way to damage one file or folder. `seed` decides on the bit, the length, the other content."""

    how: str
    path: Path
    other: Path | None
    keeps_times: bool
    seed: int

    def do(self) -> None:
        paths = [path for path in (self.path, self.other) if path is not None]
        times = {path: path.stat() for path in paths}
        HOW[self.how](self.path, self.other or self.path, random.Random(self.seed))
        for path, was in times.items():
            if path.exists() and self.keeps_times:
                os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def flip(path: Path, _: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncate(path: Path, _: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def empty(path: Path, *_) -> None:
    path.write_bytes(b"")


def delete(path: Path, *_) -> None:
    path.unlink()


def swap(path: Path, other: Path, _: random.Random) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)


def rewrite(path: Path, _: Path, rng: random.Random) -> None:
    """Other content of the same form: an array of other values, a text with one other letter or digit in a value."""
    if ".npy" in path.suffixes:
        open_array = gzip.open if path.suffix == ".gz" else open
        with open_array(path, "rb") as file:
            array = np.load(file, allow_pickle=False)
        flat = array.reshape(-1).copy()
        at = rng.randrange(len(flat))
        flat[at] = ~flat[at] if array.dtype == bool else flat[at] + 1
        with open_array(path, "wb") as file:
            np.save(file, flat.reshape(array.shape), allow_pickle=False)
        return
    text = path.read_bytes()
    digits = [i for i, byte in enumerate(text) if byte in b"0123456789"]
    if not digits:
        return flip(path, path, rng)
    at = rng.choice(digits)
    path.write_bytes(text[:at] + b"%d" % ((int(text[at : at + 1]) + 1) % 10) + text[at + 1 :])


HOW: dict[str, Callable] = {
    "flip one bit": flip, "truncate": truncate, "empty": empty, "delete": delete, "rewrite": rewrite,
    "swap two files": swap, "swap two folders": swap,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One kind of thing on disk: its folder, the units that are damaged one at a time, and what is run afterwards.

    share   of all damages
    units   folder -> groups of files, a group being what one damage may touch
    """

    name: str
    share: float
    folder: Path
    units: Callable[[Path], list[list[Path]]]
    run: Callable[[], small.Results | None]


def files_by_folder(folder: Path) -> list[list[Path]]:
    """Each folder that holds files, with its files; locks are no content."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".lock" and not path.name.startswith("."):
            found.setdefault(path.parent, []).append(path)
    return list(found.values())


def parts(root: Path, setting) -> list[Part]:
    def measured() -> small.Results | None:
        return small.in_a_fork(small.measure, root)

    def site() -> small.Results | None:
        return small.in_a_fork(small.build, setting)

    def book() -> small.Results | None:
        return small.in_a_fork(small.execute, setting)

    return [
        Part("store entries", 0.56, root / "store", files_by_folder, measured),
        Part("label cache", 0.12, root / "data/labels", files_by_folder, measured),
        Part("fingerprint memos", 0.04, root / "data/fingerprints", files_by_folder, measured),
        Part("executed notebooks", 0.12, setting.out / "book", notebooks, book),
        Part("site and its record", 0.16, setting.out, site_files, site),
    ]  # fmt: skip


def notebooks(folder: Path) -> list[list[Path]]:
    return [[path] for path in sorted(folder.glob("*.ipynb"))]


def site_files(out: Path) -> list[list[Path]]:
    return [[out / "site.json", *(path for path in sorted((out / "site").rglob("*")) if path.is_file())]]


def damages(part: Part, number: int, rng: random.Random) -> list[Damage]:
    """At most `number` damages of one round: each in a unit of its own."""
    units = part.units(part.folder)
    rng.shuffle(units)
    chosen: list[Damage] = []
    while units and len(chosen) < number:
        files, how = units.pop(), rng.choice(list(HOW))
        path, other = rng.choice(files), None
        if how == "swap two files":
            others = [o for o in (files if len(files) > 1 or not units else units.pop()) if o != path]
            other = rng.choice(others) if others else None
        if how == "swap two folders":
            peers = [at for at in units if at[0].parent != path.parent]
            if peers:
                units.remove(peers[0])
                path, other = path.parent, peers[0][0].parent
        if how.startswith("swap") and other is None:
            how = "flip one bit"
        if how in ("flip one bit", "truncate", "rewrite") and not path.stat().st_size:
            how = "delete"
        chosen.append(Damage(how, path, other, rng.random() < 0.5, rng.randrange(2**32)))
    return chosen


class Trial:
    """A part as it was made, kept aside, and what became of damages to it."""

    def __init__(self, part: Part, kept: Path, expected: small.Results):
        self.part, self.kept, self.expected = part, kept, expected
        shutil.copytree(part.folder, kept)

    def restore(self) -> None:
        shutil.rmtree(self.part.folder)
        shutil.copytree(self.kept, self.part.folder)

    def outcome(self, some: list[Damage]) -> str:
        """What the next runs give after these damages, together, to a part that was whole."""
        self.restore()
        for damage in some:
            damage.do()
        for said in (HEALED, MENDED):
            found = self.part.run()
            if found is not None:
                return said if found == self.expected else SILENT
        return STAYS

    def outcomes(self, some: list[Damage]) -> list[tuple[Damage, str]]:
        together = self.outcome(some)
        if together == HEALED or len(some) == 1:
            return [(damage, together) for damage in some]
        return [(damage, self.outcome([damage])) for damage in some]


def campaign(root: Path, number: int, seed: int) -> list[tuple[str, Damage, str]]:
    """Make everything, then damage it `number` times: (part, damage, what became of it)."""
    rng, done = random.Random(seed), []
    setting = small.make_book(root)
    small.without_sphinx()
    whole: dict[Callable, small.Results] = {}  # what runs without damage give: parts of one run share it
    for part in parts(root, setting):
        if part.run not in whole:
            if (found := part.run()) is None or part.run() != found:
                sys.exit(f"{part.name}: two runs without damage do not agree")
            whole[part.run] = found
        trial, left = Trial(part, root / "kept" / part.name, whole[part.run]), max(1, round(part.share * number))
        while left:
            trial.restore()
            some = damages(part, min(left, AT_ONCE), rng)
            left -= len(some)
            for damage, said in trial.outcomes(some):
                done.append((part.name, damage, said))
                if said != HEALED:
                    print(
                        f"{part.name}: {damage.how} {damage.path.relative_to(root)} {damage.seed}: {said}", flush=True
                    )
        trial.restore()
        print(f"{part.name}: {sum(name == part.name for name, _, _ in done):,} damages", flush=True)
    return done


def table(done: list[tuple[str, Damage, str]]) -> str:
    """One row a part and one for all: damages, and how many of them ended how."""
    ends = (HEALED, MENDED, STAYS, SILENT)
    lines = [f"| damaged | damages | {' | '.join(ends)} |", "|---|" + "---:|" * (1 + len(ends))]
    for name in [*dict.fromkeys(name for name, _, _ in done), "all"]:
        count = Counter(said for part, _, said in done if name in (part, "all"))
        lines.append(f"| {name} | {count.total():,} | {' | '.join(f'{count[end]:,}' for end in ends)} |")
    ways = Counter(damage.how for _, damage, _ in done)
    return "\n".join([*lines, "", "Ways: " + ", ".join(f"{how} {n:,}" for how, n in ways.most_common()) + "."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 damages, RESULTS.md untouched")
    parser.add_argument("--number", type=int, help="how many damages (default 1,000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    small.prepare()
    number = options.number or (50 if options.quick else 1000)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        done = campaign(Path(folder).resolve(), number, options.seed)
    text = f"`python benchmarks/damage.py`, seed {options.seed}; goal: none silent, none that stays.\n\n{table(done)}"
    print("\n" + text)
    if not options.quick and options.number is None:
        results.write("Damage", text)
    return 1 if any(said in (STAYS, SILENT) for _, _, said in done) else 0


if __name__ == "__main__":
    sys.exit(main())
