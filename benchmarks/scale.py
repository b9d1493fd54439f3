"""What a measurement costs as images, filters and concepts become more: seconds, memory and disk of every stage.

    python benchmarks/scale.py            1,000 to 16,000 images, half an hour on two cores;
                                          writes its part of RESULTS.md
    python benchmarks/scale.py --quick    a sixteenth of that; prints and writes nothing

Each point is measured in a process of its own on images of benchmarks/generate.py, kernels compiled before. With
N2V_PHOTOGRAPHS, also the memory of reading real photographs, several layers of a network at once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import results
import torch
import yaml
from bench import INPUT, our_network, warm_up
from generate import folder
from rows import T, timed
from run import processor

from n2vlib.activations.layer import read_layers
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.paths import ROOT, data_root
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.workers.threads import cores

IMAGES, FILTERS, TIMES = (1000, 4000, 16000), (64, 512, 2048), (1, 4, 8)
USUAL, TAU, EPOCHS = 256, 0.005, 10  # filters, tau, epochs of a point that does not say otherwise
READING = f"reading, tau {TAU}"
BRODEN = {"images": 63_305, "concepts": 1_197, "epochs": 30}
LAYERS = [["features.12"], ["features.5", "features.12"], [f"features.{i}" for i in (3, 5, 8, 10, 12)]]  # SqueezeNet's
STEP = 1 << 20  # bytes of growth after which memory is looked at again
LEAST = 0.2  # seconds; what takes less says nothing about a slope


@dataclass(frozen=True)
class Point:
    """What is measured: so many images, filters (0: those of AlexNet's conv5), times 300 concepts."""

    images: int
    filters: int = USUAL
    times: int = 1


ALEXNET = Point(1000, 0)


@dataclass(frozen=True)
class Cost:
    """Of one stage: seconds, bytes of memory that belong to no file, above what was there before; bytes on disk."""

    wall: float
    cpu: float
    grown: int
    place: str  # the function of the library that ran when the process was at its highest
    disk: int


class Watch(threading.Thread):
    """Looks at this process every few milliseconds: anonymous memory, and at each new height which function runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.main, self.done = threading.get_ident(), threading.Event()
        self.before = self.highest = _anonymous()
        self.place = ""

    def run(self) -> None:
        while not self.done.wait(0.005):
            if (now := _anonymous()) > self.highest + STEP:
                self.highest, self.place = now, self._running()

    def _running(self) -> str:
        frame = sys._current_frames().get(self.main)
        while frame and "n2vlib" not in frame.f_code.co_filename:
            frame = frame.f_back
        return f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}" if frame else ""


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def cost(stage: Callable[[], T], store: Path) -> tuple[T, Cost]:
    before, watch = _bytes(store), Watch()
    watch.start()
    found, took = timed(stage)
    watch.done.set()
    watch.join()
    grown = watch.highest - watch.before
    return found, Cost(took.wall, took.cpu, grown, watch.place, _bytes(store) - before)


def _bytes(store: Path) -> int:
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


def network(filters: int) -> tuple[Network, str]:
    """AlexNet with random weights where no number of filters is said; else so many on a grid of 13 x 13."""
    if not filters:
        return our_network(), "conv5"
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, filters, 23, 17), torch.nn.ReLU())
    size = (INPUT["size"], INPUT["size"])
    return Network("random", module, Preprocessing(size, tuple(INPUT["mean"]), tuple(INPUT["std"]), 1), "random"), "1"


def measured(point: Point, scratch: Path) -> dict[str, Cost]:
    """Every stage once: nothing of the set is decoded, the store is empty."""
    root, (shown, name), store = folder(point.images, times=point.times), network(point.filters), Store(str(scratch))
    os.environ["N2V_DATA"] = str(scratch / "data")
    costs: dict[str, Cost] = {}

    def stage(what: str, function: Callable[[], T]) -> T:
        found, costs[what] = cost(function, scratch)
        return found

    probe = stage("opening the set", lambda: load_probe(root))
    stage("label maps, decoded once", lambda: probe.labels)
    stage("images, decoded once", lambda: probe.pixels)
    read = partial(read_layers, shown, [name], probe, tau=TAU, device="cpu", store=store)
    layer = stage(READING, read)[name]
    stage("reading, tau up to 0.04", lambda: read(tau_max=0.04))
    stage("dissection IoU", lambda: dissection.dissection_iou(layer, probe))
    stage("set IoU", lambda: [single_filter.set_iou(layer, probe, split) for split in ("train", "val")])
    stage(f"segmentation, {EPOCHS} epochs", lambda: segmentation.align(layer, probe, epochs=EPOCHS))
    stage(f"classification, {EPOCHS} epochs", lambda: classification.align(layer, probe, epochs=EPOCHS))
    return costs


def photographs(layers: list[str], scratch: Path) -> dict[str, Cost]:
    """Reading layers of SqueezeNet on real photographs, which are decoded before."""
    setting = yaml.safe_load((ROOT / "params/photographs-squeezenet.yml").read_text(encoding="utf-8"))
    shown = load_network(os.path.expandvars(setting["NETWORK"]), preprocessing=setting["PREPROCESSING"])
    probe = load_probe(os.path.expandvars(setting["PROBE"]))
    probe.pixels  # noqa: B018
    read = partial(read_layers, shown, layers, probe, tau=TAU, device="cpu", store=Store(str(scratch)))
    return {f"{len(probe):,} photographs, {', '.join(layers)}": cost(read, scratch)[1]}


def apart(what: Point | list[str]) -> dict[str, Cost]:
    """The costs of a point, or of reading these layers on photographs, in a process of its own."""
    if isinstance(what, Point):
        folder(what.images, times=what.times)
    with tempfile.TemporaryDirectory(dir=data_root(), ignore_cleanup_errors=True) as scratch:
        wanted = json.dumps(asdict(what) if isinstance(what, Point) else what)
        command = [sys.executable, __file__, "--here", wanted, scratch]
        said = subprocess.run(
            command, env=os.environ | {"N2V_PROGRESS": "0"}, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    found = {name: Cost(**each) for name, each in json.loads(said.splitlines()[-1]).items()}
    print(f"{what}: {sum(each.cpu for each in found.values()):.1f} s of the processor", flush=True)
    return found


def here(wanted: str, scratch: Path) -> None:
    """What `apart` starts: measure, and print one line of JSON."""
    what = json.loads(wanted)
    found = photographs(what, scratch) if isinstance(what, list) else measured(Point(**what), scratch / "store")
    print(json.dumps({name: asdict(each) for name, each in found.items()}))


# --- tables


def by_images(points: dict[Point, dict[str, Cost]]) -> str:
    """Seconds, memory and disk by number of images; the last slope over the first is 1 where a stage is linear."""
    few, some, many = points
    head = " | ".join(f"{n.images:,}" for n in points)
    lines = [f"| stage | CPU s at {head} | slope over slope | memory MB at {head} | most by | disk MB at {head} |"]
    lines += ["|---|" + "---:|" * 7 + "---|" + "---:|" * 3]
    for name in points[few]:
        one, two, three = (points[point][name] for point in points)
        first = (two.cpu - one.cpu) / (some.images - few.images)
        last = (three.cpu - two.cpu) / (many.images - some.images)
        cells = [f"{each.cpu:.2f}" for each in (one, two, three)] + [f"{last / first:.2f}" if one.cpu > LEAST else ""]
        cells += [f"{each.grown / 1e6:.0f}" for each in (one, two, three)] + [three.place]
        cells += [f"{each.disk / 1e6:.1f}" for each in (one, two, three)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def against(points: dict[str, dict[str, Cost]]) -> str:
    """CPU seconds and memory of points beside the first of them."""
    first, *_ = points.values()
    lines = [f"| stage | {' | '.join(f'{name} CPU s | memory MB' for name in points)} | last over first, CPU |"]
    lines += ["|---|" + "---:|" * (2 * len(points) + 1)]
    for name in first:
        costs = [found[name] for found in points.values()]
        cells = [f"{each.cpu:.2f} | {each.grown / 1e6:.0f}" for each in costs]
        cells += [f"{costs[-1].cpu / first[name].cpu:.2f}" if first[name].cpu > LEAST else ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def broden(points: dict[Point, dict[str, Cost]], concepts: dict[str, Cost], alexnet: dict[str, Cost]) -> str:
    """Wall seconds on these cores for all of Broden: each stage's slope, its concepts' share, AlexNet's own reading."""
    _, some, many = points
    lines = ["| stage | wall seconds |", "|---|---:|"]
    total = 0.0
    for name, one in points[some].items():
        slope = (points[many][name].wall - one.wall) / (many.images - some.images)
        seconds = (one.wall + slope * (BRODEN["images"] - some.images)) * max(1.0, concepts[name].wall / one.wall)
        if name.startswith("reading"):
            seconds = alexnet[name].wall * BRODEN["images"] / ALEXNET.images
        if name.endswith(" epochs"):
            seconds, name = seconds * BRODEN["epochs"] / EPOCHS, name.replace(str(EPOCHS), str(BRODEN["epochs"]))
        seconds = max(0.0, seconds)  # what is not kept for so many images takes no time here
        total += seconds
        lines.append(f"| {name} | {seconds:,.0f} |")
    return "\n".join([*lines, f"| all | {total:,.0f} |"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a sixteenth of the images, RESULTS.md untouched")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        here(options.here[0], Path(options.here[1]))
        return 0
    with tempfile.TemporaryDirectory(dir=data_root(), ignore_cleanup_errors=True) as scratch:
        warm_up(folder(24), Path(scratch))  # here, for what it frees stays with its process
    images = [n // (16 if options.quick else 1) for n in IMAGES]
    by_number = {Point(n): apart(Point(n)) for n in images}
    filters = {f"{k:,}": apart(Point(images[0], k)) for k in FILTERS}
    concepts = {
        f"{300 * t:,}": by_number[Point(images[1])] if t == 1 else apart(Point(images[1], times=t)) for t in TIMES
    }
    alexnet = apart(ALEXNET)
    parts = [
        f"`python benchmarks/scale.py`, {processor()}, {cores()} cores; each point in a process of its own,\n"
        f"kernels compiled before. {USUAL} filters on 13 x 13, 300 concepts, where nothing else is said. Memory is\n"
        "what a stage held at most above what was there before, pages of files not counted.",
        by_images(by_number),
        f"{images[0]:,} images by number of filters:",
        against(filters),
        f"{images[1]:,} images by number of concepts; each image shows as many as before:",
        against(concepts),
        f"What this makes of Broden ({BRODEN['images']:,} images, {BRODEN['concepts']:,} concepts; conv5 of AlexNet):",
        broden(by_number, concepts[f"{300 * TIMES[1]:,}"], alexnet),
    ]
    if os.environ.get("N2V_PHOTOGRAPHS"):
        found = {name: each for layers in LAYERS for name, each in apart(layers).items()}
        rows = [f"| {name} | {each.grown / 1e6:.0f} | {each.place} |" for name, each in found.items()]
        parts += ["\n".join(["| SqueezeNet, reading | memory MB | most by |", "|---|---:|---|", *rows])]
    text = "\n\n".join(parts)
    print("\n" + text)
    if not options.quick:
        results.write("Scale", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
