"""Networks by name: torchvision's, our zoo's, or any function that returns a module.

    load_network("alexnet", "IMAGENET1K_V1")          torchvision name and weights enum
    load_network("small-alexnet")                     our zoo
    load_network("my_package.nets:build")             a function; "path/to/file.py:build" likewise
    load_network("timm:vit_tiny_patch16_224")         timm; "hf:path/to/folder" a folder of Hugging Face's transformers

A layer is any dotted module name; the papers' names (`conv5`) are aliases of the module after the ReLU. A linear map of
a layer's filters (`units`) is a layer too: `conv5:path/to/dictionary.safetensors`.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from torch import nn

from n2vlib.errors import BadInput, near
from n2vlib.networks import factories, libraries, units
from n2vlib.networks.fingerprint import code, fingerprint
from n2vlib.networks.hooks import derived
from n2vlib.networks.layers import Grid, grids_of, table
from n2vlib.networks.outputs import ending, find
from n2vlib.networks.preprocessing import Preprocessing, as_preprocessing
from n2vlib.networks.readable import readable, shown_in_its_type
from n2vlib.networks.receptive_field import Windows
from n2vlib.zoo import shipped
from n2vlib.zoo.random_init import random_state


def _vgg(convolutions: list[int], per_convolution: int = 2) -> dict[str, str]:
    """conv1_1 ... of a VGG network, whose features are convolution, (batch norm,) ReLU, ..., pooling per block."""
    names, at = {}, 0
    for block, count in enumerate(convolutions, start=1):
        for i in range(1, count + 1):
            at += per_convolution
            names[f"conv{block}_{i}"] = f"features.{at - 1}"
        at += 1
    return names


def _fires(places: tuple[int, ...]) -> dict[str, str]:
    """conv1 and fire2 .. fire9 of a SqueezeNet."""
    return {"conv1": "features.1"} | {f"fire{i}": f"features.{at}" for i, at in enumerate(places, start=2)}


_ALEXNET = {f"conv{i}": f"features.{at}" for i, at in enumerate((1, 4, 7, 9, 11), start=1)}
_FIRE_1_0 = _fires((3, 4, 5, 7, 8, 9, 10, 12))
_FIRE_1_1 = _fires((3, 4, 6, 7, 9, 10, 11, 12))
_INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")

# The papers' names of layers -> dotted names of the post-ReLU module, by class of the network. Where a class has
# several depths, the first table is taken whose modules all exist and are no bare convolution, norm or pooling.
ALIASES: dict[str, list[dict[str, str]]] = {
    "AlexNet": [_ALEXNET],
    **{f"SmallAlexNet{head}": [_ALEXNET] for head in ("", "Cells", "Grey", "Tiles")},
    "VGG": [
        _vgg(depth, per) for depth in ([1, 1, 2, 2, 2], [2] * 5, [2, 2, 3, 3, 3], [2, 2, 4, 4, 4]) for per in (2, 3)
    ],
    "SmallVGG": [_vgg([2, 2, 3, 3])],
    "GoogLeNet": [{f"inception_{i}": f"inception{i}" for i in _INCEPTIONS}],
    "SmallGoogLeNet": [{f"inception_{i}": f"inception{i}" for i in ("4a", "4b", "4c", "5a", "5b")}],
    "ResNet": [{f"conv{i + 1}_x": f"layer{i}" for i in range(1, 5)}],
    "SmallResNet": [{f"conv{i + 1}_x": f"layer{i}" for i in range(1, 4)}],
    "SmallResNetCaptions": [{f"conv{i + 1}_x": f"layer{i}" for i in range(1, 4)}],
    "SqueezeNet": [_FIRE_1_0, _FIRE_1_1],
}
_BEFORE_RELU = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass
class Network:
    """A network ready to be measured.

    module          in eval mode, without gradients
    preprocessing   from uint8 images to its input
    aliases         {paper's name of a layer: dotted module name}
    fingerprint     sha256 over weights and architecture; the preprocessing is not in it
    code            sha256 of the files that define its classes
    weights         where the weights come from, in words
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing
    weights: str
    aliases: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        self.module = readable(self.module, self.name).eval().requires_grad_(False)
        shown_in_its_type(self.module)
        self.aliases = self.aliases or aliases_of(self.module)
        self.fingerprint = self.fingerprint or fingerprint(self.module)
        self.code = self.code or code(self.module)

    def layer(self, name: str) -> str:
        """The dotted module name of a layer given by that name or by its alias; BadInput with near matches.

        For LAYER:FILE it is that of the layer, a colon, and the hash of the units that are read from the file.
        """
        modules = [known for known, _ in self.module.named_modules(remove_duplicate=False) if known]
        if name in modules or name in derived(self.module):
            return name
        if ":" in name:
            return units.derive(self.module, self.layer(name.partition(":")[0]), name.partition(":")[2])
        base, end = ending(name)
        dotted = self.aliases.get(base, base)
        if dotted not in modules and (dotted or not end):
            known = list(self.aliases) + modules
            raise BadInput(f"layer {name!r}: {self.name} has no such module or alias; {near(base, known)}")
        if end:
            find(self.module, dotted + end)
        return dotted + end

    def alias(self, name: str) -> str:
        """The paper's name of a layer, "" where it has none."""
        dotted = self.layer(name)
        return next((alias for alias, target in self.aliases.items() if target == dotted), "")

    def describe(self, name: str) -> str:
        """Both names of a layer, "conv5 (features.11)", or the one it has; of units, what they are."""
        dotted, alias = self.layer(name), self.alias(name)
        if dotted in derived(self.module):
            units_of = derived(self.module)[dotted]
            return f"{self.describe(units_of.module)}, {units_of.map.extra_repr()} of {units_of.name}"
        return f"{alias} ({dotted})" if alias else dotted

    def called(self, name: str) -> str:
        """The name of a layer in tables: as it is, or for LAYER:FILE without the file's folder and ending."""
        units_of = derived(self.module).get(self.layer(name))
        return f"{name.partition(':')[0]}:{units_of.name}" if units_of else name

    def windows(self, name: str) -> Windows | None:
        """Input windows of the layer's cells: offset, size, step along (height, width); None where they are unknown."""
        dotted = self.layer(name)
        base = derived(self.module)[dotted].module if dotted in derived(self.module) else dotted
        return self._grids[base].windows if base in self._grids else None

    @property
    def permuted(self) -> list[str]:
        """The layers whose output, (image, h, w, filter), tokens or similar, is permuted to (image, filter, h, w)."""
        return [name for name, grid in self._grids.items() if grid.permuted]

    @property
    def other_tokens(self) -> dict[str, int]:
        """{layer: how many of its tokens are no cells of a grid}: class tokens and registers, which are not read."""
        return {name: grid.n_others for name, grid in self._grids.items() if grid.n_others}

    def layers(self) -> pd.DataFrame:
        """One row per output (image, filter, h, w), permuted if needed, in order of the forward pass.

        Columns: name (`outputs`), alias, module (its class, "heads" for what an attention's projection is given), shape
        (filters, h, w) at the network's input size, and, in pixels of that input, stride and receptive_field (of the
        longer axis; both missing where unknown, as behind attention, the field also where a cell sees the whole image,
        as after squeeze and excitation; it can be larger than the image).
        Raises BadInput where no module has such an output.
        """
        if not self._grids:
            what = "no module has an output (image, filter, h, w)"
            raise BadInput(f"{self.name}: {what}; one with the output (image, filter) can be given by its name")
        return table(self.module, self.aliases, self._grids)

    @property
    def unfinished(self) -> str:
        """Why the pass that finds the layers ended early, so that later ones are not listed; "" if it did not."""
        return self._seen[1]

    @property
    def _grids(self) -> dict[str, Grid]:
        return self._seen[0]

    @cached_property
    def _seen(self) -> tuple[dict[str, Grid], str]:
        return grids_of(self.module, (self.preprocessing.channels, *self.preprocessing.size))


def load_network(
    network: str | nn.Module | Callable,
    weights: str | None = None,
    preprocessing: Mapping | Preprocessing | None = None,
    seed: int = 0,
) -> Network:
    """The network of that name, in eval mode on the CPU.

    network         torchvision name, zoo name, "package.module:function" or "path/file.py:function"; the function
                    (it may be passed itself, as may a module) returns a module, or the pair (module, preprocessing);
                    "timm:NAME" or "hf:FOLDER" (`libraries`)
    weights         torchvision weights enum ("IMAGENET1K_V1", "DEFAULT") or a file with a state dict (.safetensors, or
                    .pth without code in it); None: as the function or the zoo gives them, torchvision random by `seed`
                    For a torchvision name, a file is set up as torchvision's trained weights (Inception and GoogLeNet
                    with transform_input); for weights trained otherwise, give a function as `network`
    preprocessing   mapping with size, mean, std, range (1 or 255), interpolation; overrides the network's own
    seed            of random weights; functions are called under this seed too
    Raises BadInput for an unknown name, unreadable weights, or missing preprocessing.
    """
    # timm and others import tqdm.auto, which warns on stderr in a kernel without ipywidgets; that fails a chapter.
    warnings.filterwarnings("ignore", "IProgress not found")
    if isinstance(network, str) and network in shipped.names():
        if weights is not None:
            raise BadInput(f"WEIGHTS: {network} is a network of the zoo and has its own weights; leave WEIGHTS empty")
        found = factories.Found(*shipped.load(network), f"zoo, {network}")
    elif isinstance(network, str) and network.startswith(libraries.TIMM):
        found = libraries.from_timm(network, weights, seed)
    elif isinstance(network, str) and network.startswith(libraries.FOLDER):
        found = libraries.from_folder(network, weights)
    elif isinstance(network, str) and ":" not in network:
        found = factories.from_torchvision(network, weights, seed, shipped.names())
    else:
        found = factories.from_function(network, weights, seed)
    name = network if isinstance(network, str) else getattr(network, "__name__", type(network).__name__)
    shown = as_preprocessing(preprocessing, "PREPROCESSING") if preprocessing is not None else None
    return Network(name, found.module, shown or as_preprocessing(found.preprocessing, name), found.weights)


def randomly_initialised(network: Network, seed: int = 0) -> Network:
    """The same architecture with random weights, the same on every machine (zoo.random_init); a copy."""
    module = copy.deepcopy(network.module)
    module.load_state_dict(random_state(module.state_dict(), seed))
    return Network(f"{network.name}, random", module, network.preprocessing, f"random, seed {seed}", network.aliases)


def aliases_of(module: nn.Module) -> dict[str, str]:
    """{paper's name: dotted name} for a network of a class the alias table knows; empty for any other."""
    modules = dict(module.named_modules())
    for known in ALIASES.get(type(module).__name__, []):
        targets = [modules.get(dotted) for dotted in known.values()]
        if all(target is not None and not isinstance(target, _BEFORE_RELU) for target in targets):
            return {alias: dotted for alias, dotted in known.items() if alias not in modules}
    return {}
