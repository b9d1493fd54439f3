"""What the stages of the benchmark share: the set, the network, the layer."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reference import Broden

from n2vlib.activations.layer import Layer, read_layers
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks.load import Network, load_network
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.store import Store

TAU, BATCH, LAYER = 0.005, 16, "conv5"
INPUT = {"size": 227, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # images as they are, not resized
EPOCHS = 30


@dataclass
class Bench:
    """What the stages share. `activations` are those of the reference's forward pass, in a memory-mapped file."""

    broden: Broden
    probe: ProbeSet
    network: Network
    scratch: Path
    repeats: int
    turns: int
    sample_images: int
    layer: Layer | None = None
    activations: NDArray[np.float32] | None = None

    @classmethod
    def on(cls, root: Path, scratch: Path, repeats: int, turns: int, sample_images: int) -> "Bench":
        bench = cls(Broden(root), load_probe(root), our_network(), scratch, repeats, turns, sample_images)
        assert [row["image"] for row in bench.broden.rows] == list(bench.probe.images)
        assert sorted(bench.broden.category_of) == bench.probe.concepts.index.tolist()
        return bench

    def measured(self) -> tuple[Layer, NDArray[np.float32]]:
        assert self.layer is not None and self.activations is not None, "the probe stage comes first"
        return self.layer, self.activations

    def keep(self, layer: Layer, activations: NDArray[np.float32]) -> None:
        """The layer for the later stages, its files moved out of the store that they empty."""
        np.save(self.scratch / "activations.npy", activations)
        self.activations = np.load(self.scratch / "activations.npy", mmap_mode="r")
        self.layer = replace(layer, folder=Path(shutil.copytree(layer.folder, self.scratch / "layer")))

    def fresh_store(self) -> Store:
        """An empty store, so that nothing is found in it."""
        shutil.rmtree(self.scratch / "store", ignore_errors=True)
        return Store(str(self.scratch / "store"))

    def fresh(self) -> Layer:
        """The layer with an empty store behind it: what is computed from it is computed anew."""
        return replace(self.measured()[0], store=self.fresh_store())

    def concept_near(self, category: str, images: int) -> int:
        """The concept of a category whose number of images is nearest to `images`; it has training and val images."""
        concepts = [c for c, found in self.broden.category_of.items() if found == category]
        usable = [c for c in concepts if all(self.broden.images_of(c, split) for split in ("train", "val"))]
        return min(usable, key=lambda c: abs(int(self.broden.contains[:, c].sum()) - images))

    def sample(self, categories: Sequence[str]) -> list[int]:
        return [self.concept_near(category, self.sample_images) for category in categories]


def our_network() -> Network:
    return load_network("alexnet", preprocessing=INPUT, seed=0)


def read(network: Network, probe: ProbeSet, store: Store, tau: float = TAU) -> Layer:
    return read_layers(network, [LAYER], probe, tau=tau, device="cpu", store=store)[LAYER]


def warm_up(root: Path, scratch: Path) -> None:
    """Everything of ours once on few images, so that no stage compiles a kernel."""
    bench = Bench.on(root, scratch, 1, 1, 1)
    whole_run(bench.network, bench.probe, bench.fresh_store(), epochs=1)


def whole_run(network: Network, probe: ProbeSet, store: Store, epochs: int = EPOCHS) -> None:
    """Every stage of ours, one after the other."""
    layer = read(network, probe, store)
    dissection.dissection_iou(layer, probe)
    for split in ("train", "val"):
        single_filter.set_iou(layer, probe, split)
    segmentation.align(layer, probe, epochs=epochs)
    classification.align(layer, probe, epochs=epochs)
    classification.align(layer, probe, epochs=epochs, n_filters=1)


def use_cores(cores: int) -> None:
    """Both sides compute on this many cores: torch's threads and ours, and where the system can, the process."""
    import torch

    torch.set_num_threads(cores)
    os.environ["OMP_NUM_THREADS"] = str(cores)
    if hasattr(os, "sched_setaffinity"):  # the library's own pools start a thread for each core of the machine
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
