"""Generators and segmenters: the zoo's, or the user's as functions in a file.

    def generator():                      # GENERATOR=path/file.py:generator
        return module, draw               # module: codes -> pixels in -1 .. 1, float (image, 3, height, width)
                                          # draw(n, seed): n codes, a tensor whose first axis is the image

    def segmenter():                      # SEGMENTER=path/file.py:segmenter
        return module, classes            # module: pixels in -1 .. 1 -> scores (image, class, h, w), which autograd
                                          # can differentiate; classes: names, the first for "nothing of the others"

`draw` may be a number instead: the size of a code, whose numbers are then drawn from a standard normal. The grid of the
scores may be coarser than the pixels. A pixel shows the class of the highest score. A segmenter without an answer for
"nothing" cannot show that a thing was removed, so the first name is always taken to be that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput, near, one_line
from n2vlib.generator.models import Decoder
from n2vlib.generator.models import Segmenter as SceneNetwork
from n2vlib.networks.fingerprint import fingerprint
from n2vlib.networks.functions import function_named
from n2vlib.store import digest
from n2vlib.zoo import shipped
from n2vlib.zoo.others import GENERATORS, SEGMENTERS

BATCH = 50  # pictures
_CHECKED = 2  # images
_COARSE, _DECIMALS = 4, 3  # cells a side, and of their means: machines differ by less, for almost all means


@dataclass(frozen=True)
class Generator:
    """A module that draws pictures from codes.

    module    codes to pixels in -1 .. 1, float32 (image, 3, height, width), in evaluation mode
    draw      (n, seed) to codes, a tensor whose first axis is the image
    """

    name: str
    module: nn.Module
    draw: Callable[[int, int], Tensor]

    @property
    def layers(self) -> dict[str, tuple[int, int, int]]:
        """(unit, h, w) of the layers whose output is a grid, by their dotted names, in the order in which they run."""
        found: dict[str, tuple[int, int, int]] = {}

        def see(name: str, _module: nn.Module, _given: Any, made: Any) -> None:
            if isinstance(made, Tensor) and made.ndim == 4:
                found[name] = made.shape[1], made.shape[2], made.shape[3]

        named = [(name, part) for name, part in self.module.named_modules() if name]
        hooks = [part.register_forward_hook(partial(see, name)) for name, part in named]
        try:
            with torch.inference_mode():
                self.module(self.draw(1, 0))
        finally:
            for hook in hooks:
                hook.remove()
        return found


@dataclass(frozen=True)
class Segmenter:
    """A module that says what every place of a picture shows.

    module    pixels in -1 .. 1, float32 (image, 3, height, width), to scores (image, class, h, w), in evaluation mode
    classes   their names, the first for nothing of the others
    """

    name: str
    module: nn.Module
    classes: list[str]


@torch.inference_mode()
def identity(generator: Generator, segmenter: Segmenter) -> dict[str, str]:
    """What both are, for keys of the store: weights and code, the codes drawn first, and what they give.

    A helper that a module calls is neither in its weights nor in its code, so two pictures count, and the segmenter's
    scores for them and for noise: means over a coarse grid.
    """
    codes = generator.draw(_CHECKED, 0)
    pixels = generator.module(codes)
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, pixels.shape)).to(pixels.dtype)
    scores = segmenter.module(torch.cat([pixels, noise]))
    drawn = codes.double().numpy().round(6).tolist()
    return {
        "generator": digest([fingerprint(generator.module), drawn, _coarse(pixels)]),
        "segmenter": digest([fingerprint(segmenter.module), segmenter.classes, _coarse(scores)]),
    }


def _coarse(maps: Tensor) -> list:
    """Means over a coarse grid as a share of the largest absolute value, and that value, rounded."""
    most = maps.abs().max().clamp(min=1e-9)
    means = F.adaptive_avg_pool2d(maps.double() / most, _COARSE)
    return [means.numpy().round(_DECIMALS).tolist(), f"{float(most):.{_DECIMALS}g}"]


@torch.no_grad()
def answers(module: nn.Module, pixels: Tensor, size: Sequence[int] | None = None) -> NDArray[np.int64]:
    """Positions of the classes that a segmenter's module sees, (image, h, w): of the highest score at every place.

    size   height and width that scores are interpolated to (half-pixel bilinear); None: the grid that the module gives
    """
    found = []
    for part in pixels.split(BATCH):
        scores = module(part)
        if size is not None:
            scores = F.interpolate(scores, size=tuple(size), mode="bilinear", align_corners=False)
        found.append(scores.argmax(1).numpy())
    return np.concatenate(found)


def load_generator(name: str = "small-generator", folder: Path = shipped.FOLDER) -> Generator:
    """A generator of the zoo, or the user's "path/file.py:function"; BadInput where it breaks the contract above."""
    if ":" not in name:
        row = GENERATORS.get(name)
        if row is None:
            raise BadInput(f"GENERATOR {name!r}: {_unknown(name, list(GENERATORS))}")
        state = {key: values.float() for key, values in shipped.verified(name, folder).items()}
        prior = state.pop("mean"), state.pop("spread")
        module = Decoder(row.code, row.widths)
        module.load_state_dict(state)
        return Generator(name, module.eval(), partial(_mixture, *prior))
    module, draw = _pair(name, "GENERATOR", "(module, draw)")
    if isinstance(draw, int) and not isinstance(draw, bool) and draw > 0:
        draw = partial(_normal, draw)
    if not callable(draw):
        raise BadInput(f"GENERATOR {name}: draw must be a function of (n, seed), or the size of a code, not {draw!r}")
    return _checked_generator(Generator(name, module, cast(Callable[[int, int], Tensor], draw)))


def load_segmenter(name: str = "small-segmenter", folder: Path = shipped.FOLDER) -> Segmenter:
    """A segmenter of the zoo, or the user's "path/file.py:function"; BadInput where it breaks the contract above."""
    if ":" not in name:
        if name not in SEGMENTERS:
            raise BadInput(f"SEGMENTER {name!r}: {_unknown(name, list(SEGMENTERS))}")
        classes = shipped.card(name, folder)["classes"]
        module = SceneNetwork(len(classes))
        module.load_state_dict({key: values.float() for key, values in shipped.verified(name, folder).items()})
        return Segmenter(name, module.eval(), classes)
    module, classes = _pair(name, "SEGMENTER", "(module, classes)")
    texts = isinstance(classes, Sequence) and not isinstance(classes, str) and all(isinstance(c, str) for c in classes)
    if not texts or len(set(classes)) != len(classes) or len(classes) < 2:
        raise BadInput(f"SEGMENTER {name}: classes must be at least two different names, the first for nothing of them")
    return Segmenter(name, module, list(classes))


def fitting(generator: Generator, segmenter: Segmenter) -> None:
    """BadInput where the segmenter cannot read the generator's pictures, or answers with other shapes."""
    with torch.inference_mode():
        pixels = generator.module(generator.draw(_CHECKED, 0))
        try:
            scores = segmenter.module(pixels)
        except Exception as failure:  # it is the user's code
            shape = tuple(pixels.shape)
            raise BadInput(
                f"SEGMENTER {segmenter.name}: fails on pictures {shape} of {generator.name} ({one_line(failure)})"
            ) from failure
    wanted = (_CHECKED, len(segmenter.classes))
    if not isinstance(scores, Tensor) or scores.ndim != 4 or tuple(scores.shape[:2]) != wanted:
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise BadInput(
            f"SEGMENTER {segmenter.name}: gives {got} for {_CHECKED} pictures and {wanted[1]} classes; "
            f"it must give scores (image, class, h, w)"
        )


def need_layer(generator: Generator, layer: str) -> tuple[int, int, int]:
    """(unit, h, w) of a layer of the generator; BadInput where it has no such grid."""
    layers = generator.layers
    if layer not in layers:
        raise BadInput(f"UNITS_OF {layer!r}: {generator.name} has no such grid; {near(layer, list(layers))}")
    return layers[layer]


def _unknown(name: str, known: list[str]) -> str:
    return f"is not in the zoo; {near(name, known)}; yours: path/file.py:function"


def _pair(name: str, parameter: str, wanted: str) -> tuple[nn.Module, Any]:
    """What the user's function returns, the module in evaluation mode."""
    try:
        made = function_named(name, parameter)()
    except BadInput:
        raise
    except Exception as failure:  # it is the user's code
        raise BadInput(f"{parameter} {name}: called without arguments, it fails ({one_line(failure)})") from failure
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module)):
        raise BadInput(f"{parameter} {name}: must return {wanted} with a torch module, not {type(made).__name__}")
    return made[0].eval(), made[1]


def _checked_generator(generator: Generator) -> Generator:
    name = f"GENERATOR {generator.name}"
    try:
        with torch.inference_mode():
            codes = generator.draw(_CHECKED, 0)
            pixels = generator.module(codes)
    except Exception as failure:  # it is the user's code
        raise BadInput(f"{name}: fails on {_CHECKED} codes ({one_line(failure)})") from failure
    if not isinstance(codes, Tensor) or len(codes) != _CHECKED:
        raise BadInput(f"{name}: draw({_CHECKED}, 0) must give a tensor of {_CHECKED} codes")
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or tuple(pixels.shape[:2]) != (_CHECKED, 3):
        got = tuple(pixels.shape) if isinstance(pixels, Tensor) else type(pixels).__name__
        raise BadInput(f"{name}: gives {got} for {_CHECKED} codes; it must give pixels (image, 3, height, width)")
    if not bool(torch.isfinite(pixels).all()) or float(pixels.abs().max()) > 1.01:
        raise BadInput(f"{name}: its pixels must lie in -1 .. 1, they go to {float(pixels.abs().max()):.3g}")
    if not torch.equal(generator.draw(_CHECKED, 0), codes):
        raise BadInput(f"{name}: draw must give the same codes for the same seed")
    return generator


def _mixture(mean: Tensor, spread: Tensor, n: int, seed: int) -> Tensor:
    """Codes drawn from the Gaussians of the kinds of scenes, each kind as often as any other."""
    rng = np.random.default_rng(seed)
    kinds, normal = rng.integers(0, len(mean), n), rng.standard_normal((n, mean.shape[1]))
    along = torch.from_numpy(normal).float()[:, :, None]
    return mean[kinds] + (spread[kinds] @ along)[:, :, 0]


def _normal(size: int, n: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, size))).float()
