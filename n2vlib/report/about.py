"""How a report was made: names, settings, hashes and versions, and no times or paths, so that two runs agree."""

from collections.abc import Iterable
from math import ceil

from n2vlib.activations.layer import Layer
from n2vlib.baselines import summary
from n2vlib.compositional import beam
from n2vlib.methods import segmentation
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import ProbeSet
from n2vlib.report.measured import CONVENTION, IOU_THRESHOLD
from n2vlib.significance import chance
from n2vlib.words import describer, exemplars


def about(network: Network, layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> dict:
    """network, layer, probe (their names), the count of images, and `rows`: (what, value) of everything else."""
    name, train = network.name.rpartition(":")[2], int((probe.split == "train").sum())
    masks = segmentation.Options()
    split = f"{train:,} training and {len(probe) - train:,} validation images"
    rows = {
        "network": f"{name}; weights: {network.weights.rpartition('/')[2]}; sha256 {network.fingerprint[:12]}",
        "its input": _input(network.preprocessing),
        "layer": f"{network.describe(layer.module)}; {_cells(layer)}; sha256 {layer.fingerprint[:12]}",
        "probe set": f"{probe.name}; {split}, {len(probe.concepts)} concepts; sha256 {probe.fingerprint[:12]}",
        "a filter fires": f"where its activation is above T_k; tau = {layer.tau:g} of all places, {layer.quantile}",
        "dissection IoU": f"over all images, convention {CONVENTION}; detectors are above {IOU_THRESHOLD:g}",
        "a name is sure": _sure(layer.n_filters),
        "formula": f"up to {beam.LENGTH} concepts, beam {beam.BEAM}, IoU over all pixels of all images",
        "description": f"by {describer.NAME}, which knows drawn scenes, from a filter's top {exemplars.COUNT} images",
        "set IoU": "over the images of a split with the concept; a concept's filter is chosen on training images",
        "floors of set IoU": f"{summary.FLOORS}; with fewer than {summary.FEW} training images no score is certain",
        "learned weights": f"{epochs} epochs, seed {seed}; masks: preset {masks.preset}, loss {masks.loss}",
        "measured on": layer.made["device"],
        "measured with": ", ".join(f"{what} {number}" for what, number in layer.made.items() if what != "device"),
    }
    return {
        "network": name, "layer": layer.name, "probe": probe.name, "images": len(probe), "tau": layer.tau,
        "rows": [list(row) for row in rows.items()],
    }  # fmt: skip


def _sure(n_filters: int) -> str:
    """What a name needs: the smallest p that permutations can give is adjusted too, so that a layer needs several."""
    smallest = 1 / (chance.PERMUTATIONS + 1)
    fewest = ceil(n_filters * smallest / chance.RATE)
    rule = f"most divisions of the images choose it in both halves, and its adjusted p is at most {chance.RATE:g}"
    return f"{rule}; p is at least {smallest:.4f}, so here {fewest} names must reach that for any to be sure"


def _input(shown: Preprocessing) -> str:
    mean, std = (" ".join(f"{value:g}" for value in values) for values in (shown.mean, shown.std))
    how = "" if shown.interpolation == "bilinear" else f", {shown.interpolation}"
    grey = ", grey" if shown.channels == 1 else ""
    return f"{_by(shown.size)}{how}{grey}, values 0 to {shown.range}, mean {mean}, deviation {std}"


def _cells(layer: Layer) -> str:
    known = layer.windows or ()
    further = " directly, and more by a gate or norm" if any(window.further for window in known) else ""
    field = f", each sees {_by(window.size for window in known)} pixels of the input{further}" if known else ""
    dead, tied = ((layer.state == kind).sum() for kind in ("dead", "tied"))
    silent = f"; {dead} filters never fire, {tied} at fewer places than tau (ties)" if dead + tied else ""
    return f"{layer.n_filters} filters of {_by(layer.grid)} cells{field}{silent}"


def _by(sizes: Iterable[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
