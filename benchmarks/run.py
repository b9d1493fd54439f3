"""Measure the library against plain ports of the papers' programs, side by side in one run.

    python benchmarks/run.py                  1,000 images; writes benchmarks/RESULTS.md
    python benchmarks/run.py --quick          200 images; prints the same table and writes nothing

The set is generated on first use. Ports that would take hours are timed on a sample that the table states, and
extrapolated in proportion to the (image, concept) pairs or image visits.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import bench
import numba
import numpy
import results
import torch
from bench import Bench
from generate import folder
from learning import classification_stage, segmentation_stage
from rows import Row, timed
from stages import dissection_stage, label_stage, probe_stage, set_iou_stage, threshold_stage

from n2vlib.paths import data_root

HERE = Path(__file__).parent
STAGES = [probe_stage, threshold_stage, label_stage, dissection_stage, set_iou_stage]
STAGES += [segmentation_stage, classification_stage]
MOST_MEMORY = 2e9  # bytes: the goal for growth after loading the network


def main() -> int:
    options = arguments()
    os.environ["N2V_PROGRESS"] = "0"
    root, tiny = folder(options.images), folder(24)
    bench.use_cores(options.cores)
    before = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with tempfile.TemporaryDirectory(dir=data_root(), ignore_cleanup_errors=True) as scratch:
        _, compiling = timed(lambda: bench.warm_up(tiny, Path(scratch)))
        print(f"a first run on 24 images, in which kernels are compiled: {compiling.wall:.1f} s", flush=True)
        setting = Bench.on(root, Path(scratch), options.repeats, options.turns, options.sample)
        rows = []
        for stage in STAGES:
            for row in stage(setting):
                rows.append(row)
                print(line(row), flush=True)
        grown = memory(root, Path(scratch) / "whole", options.cores)
    after = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    text = report(rows, grown, setting, options.cores, (before, after))
    print("\n" + text)
    if not options.quick:
        results.write("", text)
    return 0 if all(row.met and row.agrees for row in rows) and grown < MOST_MEMORY else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 images, smaller samples, RESULTS.md untouched")
    parser.add_argument("--cores", type=int, default=1, help="cores and torch threads of both sides (default 1)")
    options = parser.parse_args()
    sizes = (200, 1, 1, 20) if options.quick else (1000, 3, 7, 60)
    options.images, options.repeats, options.turns, options.sample = sizes
    return options


def memory(root: Path, scratch: Path, cores: int) -> int:
    """Bytes by which a fresh process grows after it has loaded the network, at its highest, over our whole run."""
    command = [sys.executable, str(HERE / "memory.py"), str(root), str(scratch), str(cores)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    measured = json.loads(said.splitlines()[-1])
    return measured["highest"] - measured["loaded"]


def line(row: Row) -> str:
    """The row of the table."""
    goal = "" if row.goal is None else f"at {'most' if row.at_most else 'least'} {row.goal:g}"
    met = "" if row.goal is None else ("yes" if row.met else "**no**")
    ratios = [f"{r:,.2f} (ours / reference)" if row.at_most else f"{r:,.1f}" for r in (row.ratio, row.cpu_ratio)]
    ratios[0] += f", {row.between[0]:.2f} to {row.between[1]:.2f}" if row.between else ""
    agreement = row.agreement if row.agrees else f"**not within tolerance:** {row.agreement}"
    seconds = [f"{row.theirs.wall:,.2f}", f"{row.ours.wall:,.3f}"]
    return f"| {' | '.join([row.stage, row.reference, row.sample, *seconds, *ratios, goal, met, agreement])} |"


def report(rows: list[Row], grown: int, setting: Bench, cores: int, load: tuple[float, float]) -> str:
    layer, broden = setting.measured()[0], setting.broden
    shape = f"{len(broden.rows):,} images, {layer.n_filters} filters, {len(broden.category_of)} concepts"
    held = "yes" if grown < MOST_MEMORY else "**no**"
    return f"""# Benchmark

Written by `python benchmarks/run.py`; references are plain ports written for it (`reference.py`), both sides run in
one process, one after the other, on the same generated set. Reference seconds are extrapolated from the sample in
proportion to pairs or visits; "all" means nothing was extrapolated. Ours: median of {setting.repeats} for the short
stages, an empty store each time, kernels compiled before.

- Set: {shape}, {int(broden.contains.sum()):,} (image, concept) pairs, {broden.size[0]} x {broden.size[1]} label maps;
  AlexNet with random weights, {layer.module}, {layer.grid[0]} x {layer.grid[1]}, tau = {layer.tau}
- Machine: {processor()}; both sides on {cores} of {os.cpu_count()} cores, torch threads {torch.get_num_threads()};
  load average {load[0]:.1f} before, {load[1]:.1f} after
- Python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}, numpy {numpy.__version__};
  {datetime.date.today().isoformat()}

| stage | reference | timed on | reference s | ours s | ratio | ratio of CPU seconds | goal | met | agreement |
|---|---|---|---:|---:|---:|---:|---|---|---|
{chr(10).join(line(row) for row in rows)}

Memory: over the whole run in a fresh process, resident memory grew by {grown / 1e9:.2f} GB after loading the network
(goal: below {MOST_MEMORY / 1e9:.0f} GB; met: {held}).
"""


def processor() -> str:
    """The CPU's model name."""
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [text for text in cpuinfo.read_text().splitlines() if text.startswith("model name")] if cpuinfo.exists() else []
    )
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
