"""Formulas of a layer's filters against a plain port of the released search: writes its part of RESULTS.md.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/formulas.py

SqueezeNet's last layer on the photographs. The port holds masks as run-lengths over all images, joins them one by one
and searches one unit at a time, as the program of the authors does; its run-lengths are compiled, too. It is timed on a
sample of units. Both run in turn on one core. Then every step again on a quarter, a half and all of the photographs,
with the memory that it holds at most. Fifteen minutes or less where the layers are in N2V_STORE.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numba
import numpy as np
import results
from memory import resident
from scale import Cost, cost
from sure import last_layer

from n2vlib.compositional import beam, exact, explain
from n2vlib.compositional.formula import Formula, concept, join
from n2vlib.store import Store

SAMPLE, LENGTH, BEAM, TINY = 3, 3, 5, 1e-10
PARTS = ("[::4]", "[::2]", "")  # of the photographs
OR, AND, AND_NOT = 0, 1, 2
OPERATORS = {"OR": OR, "AND": AND, "AND NOT": AND_NOT}


@numba.njit(cache=True)
def joined(one, other, operator):
    """Run-lengths of two masks joined; masks are int64 ends of runs: out, in, out, ... from the first pixel on."""
    found, n = np.empty(len(one) + len(other), np.int64), 0
    i, j, inside = 0, 0, False
    while i < len(one) or j < len(other):
        at = min(one[i] if i < len(one) else other[j], other[j] if j < len(other) else one[i])
        i += i < len(one) and one[i] == at
        j += j < len(other) and other[j] == at
        first, second = i % 2 == 1, j % 2 == 1
        now = (first or second) if operator == OR else (first and (second if operator == AND else not second))
        if now != inside:
            found[n], inside = at, now
            n += 1
    return found[:n].copy()


def area(ends: np.ndarray) -> int:
    """Pixels of a mask."""
    return int((ends[1::2] - ends[::2]).sum())


def ends_of(mask: np.ndarray) -> np.ndarray:
    """Run-lengths of a mask, bool, (pixel,)."""
    padded = np.concatenate([[False], mask, [False]])
    return np.flatnonzero(padded[1:] != padded[:-1])


def iou(unit: np.ndarray, mask: np.ndarray) -> float:
    shared = area(joined(unit, mask, AND))
    return shared / (area(unit) + area(mask) - shared + TINY)


def released(unit: np.ndarray, concepts: dict[str, np.ndarray], beside: np.ndarray) -> tuple[Formula, float]:
    """The released search for one unit."""
    scored = [(concept(name), mask) for (name, mask), near in zip(concepts.items(), beside, strict=True) if near]
    kept = _best([(formula, mask, iou(unit, mask)) for formula, mask in scored])
    for _ in range(LENGTH - 1):
        new = list(kept)
        for formula, mask, _ in kept:
            for name, other in concepts.items():
                for operator, number in OPERATORS.items():
                    both = joined(mask, other, number)
                    new.append((join(formula, operator, concept(name)), both, iou(unit, both)))
        kept = _best(new)
    return kept[0][0], kept[0][2]


def _best(candidates: list[tuple]) -> list[tuple]:
    return [each for each in sorted(candidates, key=lambda each: -each[2])[:BEAM] if each[2] > 0]


def seconds(call) -> tuple[object, float]:
    start = time.process_time()
    return call(), time.process_time() - start


def steps(part: str) -> tuple[int, dict[str, Cost], float]:
    """How many photographs there are, what each step of ours costs on them, and the process's largest memory in GB.

    The atoms are made anew. In a process of its own: memory that an earlier step gave back is not seen to grow again.
    """
    layer, probe = last_layer("photographs-squeezenet", Store(), part)
    probe.labels_as([name for name in probe.categories if name not in explain.LEFT_OUT], False)  # decoded before
    found: dict[str, Cost] = {}

    def step(name: str, call):
        result, found[name] = cost(call, layer.store.root)
        return result

    with tempfile.TemporaryDirectory() as folder:
        apart = replace(layer, store=Store(folder))
        measured = step("atoms of the set, once", lambda: explain.Filters(apart, probe))
        step("masks of all filters, once", lambda: measured.masks)
        counts = step("counts", measured.counts)
        for length in (3, 10):
            step(f"formulas of {length}, beam {BEAM}", lambda length=length: beam.search(counts, length, beam=BEAM))
        step("all formulas of 3", lambda: exact.search(counts))
    return len(probe), found, resident()[1] / 2**30


def by_images() -> str:
    """The table of seconds and memory by number of photographs."""
    every, peak = {}, 0.0
    for part in PARTS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            n_photographs, found, peak = pool.submit(steps, part).result()
        every[n_photographs] = found
    rows = [[(name, each[name]) for each in every.values()] for name in next(iter(every.values()))]
    lines = ["| step | " + " | ".join(f"{n:,} photographs: s | MB" for n in every) + " |"]
    lines.append("|---|" + "---:|" * (2 * len(every)))
    for row in rows:
        lines.append(f"| {row[0][0]} | " + " | ".join(f"{c.cpu:.2f} | {c.grown / 2**20:.0f}" for _, c in row) + " |")
    return f"""By number of photographs, each in a process of its own; MB: what a step held above what was there before.
The last process held {peak:.2f} GB at most, with torch, the network, the masks and all pages of files (goal: below 2
beyond the probe set's masks).

""" + "\n".join(lines)


def main() -> None:
    layer, probe = last_layer("photographs-squeezenet", Store())
    measured = explain.Filters(layer, probe)
    _, masking = seconds(lambda: measured.masks)
    measured.counts()  # compiled
    counts, counting = seconds(measured.counts)
    rows = [("masks of all filters, once", masking), ("counts", counting)]
    rows += [
        (f"formulas of {n}, beam {BEAM}", seconds(lambda n=n: beam.search(counts, n, beam=BEAM))[1]) for n in (3, 10)
    ]
    ours, searching = seconds(lambda: beam.search(counts, LENGTH, beam=BEAM, released=True))
    exact.search(counts)
    rows += [("formulas of 3, released", searching), ("all formulas of 3", seconds(lambda: exact.search(counts))[1])]
    atoms, members = measured.atoms.of.ravel(), counts.members.toarray()
    concepts = {name: ends_of(row[atoms]) for name, row in zip(counts.names, members, strict=True)}
    units = np.argsort(counts.areas)[[len(counts.areas) * part // (SAMPLE + 1) for part in range(1, SAMPLE + 1)]]
    joined(ends_of(np.ones(3, bool)), ends_of(np.ones(3, bool)), OR)  # compiled
    taken, n_pixels = [], measured.atoms.of.shape[1]
    for unit in map(int, units):
        fires = ends_of(_dense(measured.masks, unit, len(probe), n_pixels))
        (formula, score), took = seconds(lambda fires=fires, unit=unit: released(fires, concepts, counts.beside[unit]))
        row = ours.query("unit == @unit and allowed == @LENGTH").iloc[0]
        assert str(row["formula"]) == str(formula) and row["iou"] == score, (unit, row["formula"], formula)
        taken.append(took)
    n = len(counts.fired)
    each = (counting + searching) / n
    n_atoms, times = len(counts.sizes), np.mean(taken) / each
    sample = ", ".join(f"{one:.1f}" for one in taken)
    text = f"""`python benchmarks/formulas.py`: SqueezeNet's features.12, {n} filters, {len(probe):,} photographs,
{len(concepts)} concepts, {n_atoms:,} atoms; processor seconds on one core. The port of the released search took
{np.mean(taken):.1f} s a unit ({sample}: {SAMPLE} units of rising area). Ours took {1000 * each:.2f} ms, counts
and search of all units divided by their number: **{times:,.0f} times** as fast, with the same formulas.

| step, all filters | s |
|---|---:|
""" + "\n".join(f"| {name} | {took:.2f} |" for name, took in rows)
    text += "\n\n" + by_images()
    print(text)
    results.write("Formulas", text)


def _dense(masks, unit: int, n_images: int, n_pixels: int) -> np.ndarray:
    """The mask of one unit over all images, bool, (image * pixel,)."""
    found = np.zeros((n_images, n_pixels), bool)
    for image in range(n_images):
        for mask in range(masks.ptr[image], masks.ptr[image + 1]):
            if masks.filters[mask] == unit:
                for first, last in masks.runs[masks.run_ptr[mask] : masks.run_ptr[mask + 1]]:
                    found[image, first:last] = True
    return found.ravel()


if __name__ == "__main__":
    main()
