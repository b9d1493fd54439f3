"""What descriptions cost: exemplars from the store beside a pass over the images, and describing 512 filters.

    python benchmarks/words.py          world, conv5 of small-alexnet; as many threads as OMP_NUM_THREADS says

Prints processor and wall seconds. Exemplars of a stored layer must take less than a tenth of a pass (issue 17), and
describing 512 filters from exemplars less than 30 seconds on two cores.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import n2vlib
from n2vlib.words import describer, exemplars

FILTERS = 512


def timed(what: str, work: Callable[[], object]) -> tuple[object, float]:
    """The result, and the wall seconds it took; both kinds of seconds are printed."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    seconds = time.perf_counter() - wall
    print(f"{what:48} {seconds:7.2f} s wall {time.process_time() - processor:7.2f} s processor", flush=True)
    return found, seconds


def main() -> None:
    """Measure both."""
    probe, network = n2vlib.load_probe("world"), n2vlib.load_network("small-alexnet")
    next(probe.batches(1))  # decoded and kept, as for every pass but the first
    with tempfile.TemporaryDirectory() as folder:
        store = n2vlib.Store(folder)
        options = {"tau": exemplars.TAU, "store": store}
        layers, one_pass = timed("a pass over the images, one layer", lambda: n2vlib.read_layers(
            network, ["conv5"], probe, **options))  # fmt: skip
        layer = layers["conv5"]  # type: ignore[index]
        exemplars.of_layer(layer, probe, [0])  # kernels are compiled
        shown, stored = timed("exemplars of its filters from the store", lambda: exemplars.of_layer(layer, probe))
        assert isinstance(shown, exemplars.Exemplars)
        print(f"ratio {stored / one_pass:.3f}")
        many = replace(shown.of(np.arange(FILTERS) % len(shown)), units=np.arange(FILTERS))
        found = describer.load()
        timed("the describer's features", lambda: found.features(many))
        table, seconds = timed(f"descriptions of {FILTERS} filters, features included", lambda: found.describe(many))
        print(f"{len(table)} descriptions, {seconds / FILTERS * 1000:.0f} ms each")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
