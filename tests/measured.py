"""A small random probe set and a small random network, measured by the library: material for several tests."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from n2vlib.activations.layer import Layer, read_layers
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store

TAU = 0.05
NAMES = {
    1: "red-c",
    2: "blue-c",
    3: "cat",
    4: "dog",
    5: "head",
    6: "leg",
    7: "wood",
    8: "field-s",
    9: "town-s",
    10: "fur",
}


def scenes(n_images: int, seed: int = 0):
    """Random blobs: two part layers that overlap, one map that is both part and material, whole-image labels."""
    rng = np.random.default_rng(seed)
    for i in range(n_images):
        coarse = rng.integers(0, 256, (4, 4, 3))
        image = np.repeat(np.repeat(coarse, 8, 0), 8, 1).astype(np.uint8)
        color = np.where(rng.random((16, 16)) < 0.5, 1, 2)
        objects = np.zeros((16, 16), int)
        x, y = rng.integers(0, 8, 2)
        objects[y : y + 8, x : x + 8] = 3 + i % 2
        head, leg = np.where(objects > 0, 5, 0), np.where(objects > 0, 6, 0)
        head[: y + 5], leg[y + 3 :] = 0, 0
        head[y + 4] = leg[y + 4] = 5  # the layers repeat a label at the same pixels
        fur = np.where(rng.random((16, 16)) < 0.1, 10, 0) if i % 3 == 0 else np.zeros((16, 16), int)
        maps = {"color": [color], "object": [objects], "part": [head, leg, fur], "material": [fur]}
        whole = {"scene": [8 + i % 2], "material": [7] if i % 5 == 0 else []}
        maps = {category: [layer.astype(np.uint16) for layer in layers] for category, layers in maps.items()}
        yield Labelled(f"made/{i:03}.png", image, maps, whole)


def probe_in(folder: Path, n_images: int = 40) -> ProbeSet:
    write(folder / "probe", scenes(n_images), NAMES)
    return load_probe(str(folder / "probe"))


def network(ceiling: float | None = None) -> Network:
    """conv1: 5 filters on 8 x 8; conv2: 6 filters on 4 x 4, the first of them dead."""
    torch.manual_seed(0)
    relu = nn.ReLU() if ceiling is None else nn.Hardtanh(0, ceiling)
    module = nn.Sequential(nn.Conv2d(3, 5, 4, 4), relu, nn.Conv2d(5, 6, 3, 2, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        module[2].weight[0], module[2].bias[0] = 0, -1
    return Network("random", module, Preprocessing((32, 32), (0.5,) * 3, (0.25,) * 3, 1), "random")


def measure(folder: Path, layers=("1", "3"), **options) -> tuple[ProbeSet, dict[str, Layer]]:
    probe = probe_in(folder)
    options = {"tau": TAU, "device": "cpu", "store": Store(str(folder / "store")), **options}
    return probe, read_layers(network(), list(layers), probe, **options)


def activations(probe: ProbeSet, layer: str) -> NDArray[np.float32]:
    """Straight through the network, no library: (image, filter, h, w)."""
    net = network()
    x = net.preprocessing(np.stack([probe.image(i) for i in range(len(probe.images))]))
    with torch.inference_mode():
        for name, part in net.module.named_children():
            x = part(x)
            if name == layer:
                return x.clone().numpy()
    raise KeyError(layer)


def annotated(probe: ProbeSet) -> NDArray[np.bool_]:
    """(image, concept, height, width), through the one-image reader."""
    numbers = probe.concepts.index
    return np.array([[probe.annotated(int(c), i) for c in numbers] for i in range(len(probe.images))])
