"""Measure the report of 20,000 made-up filters: what its index weighs, and how soon it opens and answers.

    python benchmarks/report_many.py             a layer of 20,000 filters, then 40 layers of 500; 1,197 concepts
    python benchmarks/report_many.py --filters 5000 --layers 1

Contents are drawn at random in the sizes that real ones have (Broden's concepts, eight images with masks for a filter,
weights over all filters for a concept), written as a folder and opened from disk in a fresh profile with the network
off. Opening is measured from the address to the first pictures, or to the table of layers; answering from the last
letter of a search to the pictures of the filters it finds; two clicks from the search to the images of a filter.
Beside the seconds of opening stand those that the page's process worked, which other work on the machine does not
lengthen.
"""

import argparse
import base64
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from n2vlib.builder.checks import browser as find_browser
from n2vlib.pages import pictures
from n2vlib.report import page
from n2vlib.report.parts import Sheet

CONCEPTS, IMAGES, TOP, SIDE = 1197, 2000, 8, 56
MOST_SECONDS, MOST_MEGABYTES, REPEATS = 2.0, 20.0, 5
SEEN = """() => {
  const near = [...document.images].filter(i => i.getBoundingClientRect().top < innerHeight);
  return near.length >= 8 && near.every(i => i.complete && i.naturalWidth > 0);
}"""


def made_up(name: str, n: int, rng: np.random.Generator) -> Sheet:
    """A layer of n filters: every value is drawn, in the shape and with the digits that a real one has."""
    iou = np.round(rng.beta(1, 20, n), 4)
    concept = rng.integers(0, CONCEPTS, n)
    numbers = ("margin", "again", "chance", "q", "threshold", "fires", "formula_iou", "one_iou", "held_out_iou")
    parts = rng.integers(0, CONCEPTS, (n, 3)).tolist()
    filters = {
        "concept": concept.tolist(), "iou": iou.tolist(), "sure": (rng.random(n) < 0.5).tolist(),
        **{each: np.round(rng.random(n), 3).tolist() for each in numbers},
        "formula": [f"(concept {a} OR concept {b}) AND NOT concept {c}" for a, b, c in parts],
        "description": [f"the concept {a} of a concept {b} or anything like it" for a, b, _ in parts],
        "images": rng.integers(0, IMAGES, n).tolist(), "top": [_top(rng) for _ in range(n)],
        "serves": [[[c, v, v] for c, v in _ranked(rng, CONCEPTS)] for _ in range(n)],
    }  # fmt: skip
    tasks = ("segmentation", "classification")
    values = {
        "iou_threshold": 0.04, "grid": [SIDE, SIDE], "categories": [["object", "#4053d3"], ["part", "#b973a9"]],
        "concepts": _concepts(n, rng), "filters": filters,
        "users": {task: [[[c, v, 1] for c, v in _ranked(rng, CONCEPTS)] for _ in range(n)] for task in tasks},
        "weights": {task: {c: _weights(n, rng) for c in range(CONCEPTS)} for task in tasks},
        "near": {task: {c: [list(e) for e in _ranked(rng, CONCEPTS)] for c in range(CONCEPTS)} for task in tasks},
        "deciles": {}, "units": "unit,label\n" * n,
    }  # fmt: skip
    about = {"network": "made-up", "layer": name, "probe": "nothing", "images": IMAGES, "tau": 0.005, "rows": []}
    return Sheet(about, values)


def _concepts(n: int, rng: np.random.Generator) -> dict[str, list]:
    scores = ("single", "combined", "accuracy", "everything", "place", "two")
    names = [f"concept {c}" for c in range(CONCEPTS - 1)] + ["wheel"]
    return {
        "number": list(range(1, CONCEPTS + 1)), "name": names, "slug": [name.replace(" ", "-") for name in names],
        "category": ["object" if c % 2 else "part" for c in range(CONCEPTS)], "few": [False] * CONCEPTS,
        **{each: rng.integers(0, 500, CONCEPTS).tolist() for each in ("train", "val", "detectors")},
        **{each: np.round(rng.random(CONCEPTS), 3).tolist() for each in scores},
        "best": [[list(entry) for entry in _ranked(rng, n)] for _ in range(CONCEPTS)],
        "segmentation": [[[k, v, v] for k, v in _ranked(rng, n)] for _ in range(CONCEPTS)],
    }  # fmt: skip


def _ranked(rng: np.random.Generator, n: int) -> list[tuple[int, float]]:
    """Ten places with falling values."""
    values = np.sort(np.round(rng.random(10), 3))[::-1]
    return list(zip(rng.integers(0, n, 10).tolist(), values.tolist(), strict=True))


def _weights(n: int, rng: np.random.Generator) -> dict:
    steps = rng.integers(-127, 128, n, dtype=np.int8)
    return {
        "all": base64.b64encode(steps.tobytes()).decode(),
        "largest": 0.5,
        "top": [list(e) for e in _ranked(rng, n)],
    }


def _top(rng: np.random.Generator) -> list[list]:
    """Images of a filter, each with a round mask."""
    y, x = np.mgrid[:SIDE, :SIDE]
    around = rng.integers(5, SIDE - 5, (TOP, 2))
    masks = [pictures.path((y - at[0]) ** 2 + (x - at[1]) ** 2 < 40) for at in around]
    return [[int(i), 12.3, mask, True] for i, mask in zip(rng.integers(0, IMAGES, TOP), masks, strict=True)]


def measured(browser: Browser, sheets: list[Sheet], folder: Path, shown: dict[int, bytes]) -> tuple[float, ...]:
    """MB of the index and of the folder; medians of the seconds to open, of them at work, to answer, and to show the
    images of a filter."""
    opened = page.write_folder(folder / f"of-{len(sheets)}", sheets, shown)
    whole = sum(file.stat().st_size for file in opened.parent.rglob("*") if file.is_file())
    runs = [_open_once(browser, opened, len(sheets)) for _ in range(REPEATS)]
    return opened.stat().st_size / 1e6, whole / 1e6, *map(statistics.median, zip(*runs, strict=True))


def _open_once(browser: Browser, file: Path, layers: int) -> tuple[float, ...]:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    view = context.new_page()
    inside = context.new_cdp_session(view)
    inside.send("Performance.enable")

    def shows() -> None:
        view.goto(file.as_uri())
        view.wait_for_function(SEEN) if layers == 1 else view.wait_for_selector("tbody tr")

    def answers() -> None:
        view.get_by_role("searchbox").fill("wheel")
        view.wait_for_function(SEEN)

    def leads() -> None:
        view.locator(".card a").first.click()
        view.wait_for_selector("h2:has-text('Filter')")
        view.wait_for_function(SEEN)

    shown = seconds(shows)
    worked = {each["name"]: each["value"] for each in inside.send("Performance.getMetrics")["metrics"]}["ProcessTime"]
    found = shown, worked, seconds(answers), seconds(leads)
    context.close()
    return found


def seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=20_000)
    parser.add_argument("--layers", type=int, action="append", help="of equal size; may be repeated (default 1 and 40)")
    asked = parser.parse_args()
    n, rng = asked.filters, np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
    shown = {
        i: pictures.thumbnail(np.kron(each, np.ones((14, 14, 1), np.uint8)), 6000) for i, each in enumerate(coarse)
    }
    print(
        "| layers | filters | index MB (goal 20) | folder MB | open s (goal 2) | of CPU | search s | to its images s |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for layers in asked.layers or (1, 40):
            sheets = [made_up(f"layer {i}", n // layers, rng) for i in range(layers)]
            index, whole, opened, worked, answered, led = measured(browser, sheets, Path(scratch), shown)
            missed += index > MOST_MEGABYTES or opened > MOST_SECONDS
            times = " | ".join(f"{each:.2f}" for each in (opened, worked, answered, led))
            print(f"| {layers} | {n:,} | {index:.1f} | {whole:.0f} | {times} |", flush=True)
        browser.close()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median of {REPEATS} openings")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
