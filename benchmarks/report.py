"""Measure a report of 512 filters: how long it takes to write, what it weighs, and how soon it opens in Chromium.

    python benchmarks/report.py                  the drawn world, 4,000 images: prints a table
    python benchmarks/report.py --probe PATH --network NAME --layer LAYER --preprocessing YAML      one of your own

The network is our small one with a last layer of 512 random mixtures of its filters, so that many filters want many
different images. Opening is measured from the address to the first window full of pictures, in a fresh profile with the
network off (and beside it the seconds the page's process worked, which other work on the machine does not lengthen);
answering from a click on a category to the shorter list.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import yaml
from playwright.sync_api import Browser, sync_playwright
from torch import nn

import n2vlib
from n2vlib import report
from n2vlib.builder.checks import browser as find_browser

FILTERS, MOST_SECONDS, MOST_MEGABYTES, REPEATS = 512, 2.0, 15.0, 5
# Every picture of the window is decoded.
SEEN = """() => {
  const near = [...document.images].filter(i => i.getBoundingClientRect().top < innerHeight);
  return near.length > 8 && near.every(i => i.complete && i.naturalWidth > 0);
}"""
SHORTER = "n => document.querySelectorAll('.card').length < n"


def mixtures() -> tuple[nn.Module, object]:
    """The small network's conv5, and 512 random mixtures of it."""
    small = n2vlib.load_network("small-alexnet")
    (channels,) = [int(n) for n in small.layers().set_index("alias")["shape"]["conv5"][:1]]
    last = nn.Conv2d(channels, FILTERS, 1, bias=False)
    return nn.Sequential(small.module.get_submodule("features"), last, nn.ReLU()), small.preprocessing


def main() -> int:
    options = arguments()
    if options.network:
        network = n2vlib.load_network(options.network, preprocessing=yaml.safe_load(options.preprocessing or "null"))
    else:
        network = n2vlib.load_network(mixtures)
    probe = n2vlib.load_probe(options.probe)
    with tempfile.TemporaryDirectory() as scratch:
        file, store = Path(scratch) / "report.html", n2vlib.Store(str(Path(scratch) / "store"))
        writing = [
            seconds(lambda: report.write(file, network, options.layer, probe, epochs=options.epochs, store=store))
            for _ in range(2)
        ]
        megabytes = file.stat().st_size / 1e6
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            opened = [open_once(browser, file) for _ in range(REPEATS)]
            browser.close()
    shown, worked, answered = (statistics.median(column) for column in list(zip(*opened, strict=True))[:3])
    filters, pictures = opened[0][3:]
    print("| filters | images | concepts | pictures | write s | again s | MB | open s (goal 2) | of CPU | answer s |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {filters} | {len(probe):,} | {len(probe.concepts)} | {pictures:,} | {writing[0]:.1f} | {writing[1]:.1f} |"
        f" {megabytes:.1f} | {shown:.2f} | {worked:.2f} | {answered:.2f} |"
    )
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median of {REPEATS} openings")
    return 0 if shown < MOST_SECONDS and megabytes < MOST_MEGABYTES else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", default="world")
    parser.add_argument("--network", default=None)
    parser.add_argument("--preprocessing", default=None)
    parser.add_argument("--layer", default="2")
    parser.add_argument("--epochs", type=int, default=5, help="of the learned weights (default 5)")
    return parser.parse_args()


def seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def open_once(browser: Browser, file: Path) -> tuple[float, float, float, int, int]:
    """Seconds until pictures are seen, of them at work, until a click is answered; filters and pictures of the page."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    page = context.new_page()
    inside = context.new_cdp_session(page)
    inside.send("Performance.enable")

    def shows() -> None:
        page.goto(file.as_uri())
        page.wait_for_function(SEEN)

    shown = seconds(shows)
    metrics = {each["name"]: each["value"] for each in inside.send("Performance.getMetrics")["metrics"]}
    filters = page.locator(".card").count()
    box = page.locator("fieldset .chip:has(input:enabled)").first

    def answers() -> None:
        box.click()
        page.wait_for_function(SHORTER, arg=filters)

    answered = seconds(answers)
    pictures = page.evaluate("() => Object.keys(JSON.parse(document.getElementById('pictures').textContent)).length")
    context.close()
    return shown, metrics["ProcessTime"], answered, filters, pictures


if __name__ == "__main__":
    sys.exit(main())
