"""The downstream part of a network: scores from one layer's activations, without running the modules before it.

    downstream = Downstream(net, "features.11", images[:2])
    downstream(activations)                              # the network's scores, (image, output)
    list(downstream.without(activations, [[3], [3, 8]])) # the same with these filters at zero

Of units of a file (`units`) it takes their values, and what they leave of the layer stays as it was (`others`).

In a pass from the layer on, modules that finish before it return zeros instead of computing, and the layer returns the
given activations. This is correct only where every path leads through the layer; building a `Downstream` checks it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.networks.hooks import Derived, as_put_out, derived, learn, other_tokens, passing, run_layers
from n2vlib.networks.outputs import find

# Two ways to the same scores may differ by these shares of the change with half of the filters at zero, and of the
# largest score.
_OF_THE_CHANGE, _ROUNDING = 1e-3, 1e-5


class Downstream:
    """A network from one of its layers on.

    module   in eval mode      name   dotted name of the layer; where a pass calls it several times, its last call
    images   float32, (image, channel, height, width), preprocessed: a few, for the check
    Raises BadInput where a path bypasses the layer, or where the network's output is not scores.
    """

    def __init__(self, module: nn.Module, name: str, images: Tensor):
        units = derived(module).get(name)
        base = units.module if units else name
        if not find(module, base).is_whole:
            raise BadInput(f"layer {base}: it is not all that its module puts out, so the network cannot go on from it")
        self._layer = _BehindUnits(module, units, images) if units else _Behind(module, name, images)
        self._conv = None
        activations, others = run_layers(module, [name], images)[name], self.others(images)
        half = range(0, activations.shape[1], 2)
        changed = _zeroed(activations, half)
        expected = self._layer(changed.clone(), others, images)
        moved = expected - self._layer(activations.clone(), others, images)
        within = max(_OF_THE_CHANGE * float(moved.abs().max()), _ROUNDING * float(expected.abs().max()))
        if not _agrees(lambda: self._layer(changed.clone(), others), expected, within):
            self._layer.for_each_image()
            if not _agrees(lambda: self._layer(changed.clone(), others), expected, within):
                raise BadInput(f"layer {name}: a path of the network bypasses it; choose a layer where all paths meet")
        for conv, conv_name in self._layer.feeds(activations, images):
            self._conv = conv, _Behind(module, conv_name, images)
            if _agrees(lambda: next(self.without(activations, [half])), expected, within):
                return
        self._conv = None

    def others(self, images: Tensor) -> Tensor | None:
        """What of the layer's output is in no cell: class tokens and registers, (image, ...); None where it has none.

        Of units: what they leave of the layer, and these.
        images   float32, (image, channel, height, width), preprocessed
        """
        return self._layer.others(images)

    def __call__(self, activations: Tensor, others: Tensor | None = None) -> Tensor:
        """Scores float32, (image, output), of activations (image, filter, h, w).

        others   of the same images, unchanged: needed for units, and for class tokens or registers (`others`)
        """
        return self._layer(activations.clone(), others)  # a ReLU after the layer may work in place

    def without(
        self, activations: Tensor, sets: Sequence[Sequence[int]], others: Tensor | None = None
    ) -> Iterator[Tensor]:
        """The scores with the filters of each set at zero in all cells, one set after another.

        Where the layer feeds a single convolution and nothing else, the filters' contribution to its output is
        subtracted: the same up to rounding, and faster for small sets.
        """
        if self._conv is None:
            yield from (self._layer(_zeroed(activations, filters), others) for filters in sets)
            return
        conv, behind = self._conv
        every = range(activations.shape[1])
        whole = _conv(conv, activations, every, conv.bias)
        for filters in sets:
            kept = sorted({*every} - {*filters})
            if len(filters) >= len(kept):
                yield behind(_conv(conv, activations, kept, conv.bias))
            else:
                yield behind(whole - _conv(conv, activations, filters, None) if len(filters) else whole.clone())


class _Behind:
    """The pass from one module on. It may overwrite the activations it is given."""

    def __init__(self, module: nn.Module, name: str, images: Tensor):
        self.module, self.name, self.layer, self.size = module, name, module.get_submodule(name), images.shape[1:]
        self.seen = learn(module, (name,), images[:1])[name]
        self.before, self.like = _finished_before(module, self.layer, self.seen.calls, images)
        self._each_image = False

    def others(self, images: Tensor) -> Tensor | None:
        return other_tokens(self.module, self.name, self.seen, images)

    def for_each_image(self) -> None:
        """Let modules before the layer return zeros for every image: code of the network compares numbers of images."""
        self._each_image = True

    def __call__(self, activations: Tensor, others: Tensor | None = None, images: Tensor | None = None) -> Tensor:
        """Scores of a pass from the module on; with images, of a whole pass with only the module's output replaced."""
        layout, n_others = self.seen.layout, 0 if others is None else len(others)
        if layout and layout.n_others and n_others != len(activations):
            raise BadInput(f"layer {self.name}: it has class tokens or registers; give those of the images (`others`)")
        shown = activations.new_zeros(1).expand(len(activations), *self.size) if images is None else images
        put_out = as_put_out(activations, layout, self.like, others)
        with passing(shown), self._replaced(put_out, self.before if images is None else {}):
            return scores(self.module(shown))

    @contextmanager
    def _replaced(self, output: Tensor, before: dict[nn.Module, Tensor]) -> Iterator[None]:
        """The layer puts out `output`; modules before it return zeros for one image, which are not used."""
        compute, left = self.layer.forward, self.seen.calls

        def put_out(*given: object, **named: object) -> Tensor:
            nonlocal left
            left -= 1
            return compute(*given, **named) if left else output

        own = "forward" in vars(self.layer)
        self.layer.forward = put_out
        for part, zeros in before.items():
            returned = zeros.repeat(len(output), *[1] * (zeros.ndim - 1)) if self._each_image else zeros
            part.forward = lambda *_given, zeros=returned, **_named: zeros
        try:
            yield
        finally:
            for part in (self.layer, *before):
                del part.forward
            if own:
                self.layer.forward = compute

    def feeds(self, activations: Tensor, images: Tensor) -> list[tuple[nn.Conv2d, str]]:
        """The plain convolutions whose input is exactly these activations, with their names."""
        found = []

        def hook(name: str, part: nn.Conv2d, args: tuple[Tensor, ...]) -> None:
            if args[0].shape == activations.shape and torch.equal(args[0], activations):
                found.append((part, name))

        with ExitStack() as hooks, passing(images):
            for name, part in self.module.named_modules():
                if type(part) is nn.Conv2d and part.groups == 1 and part.padding_mode == "zeros":
                    hooks.enter_context(part.register_forward_pre_hook(partial(hook, name)))
            self.module(images)
        return found


class _BehindUnits(_Behind):
    """The same of units: their layer's activations are what the units add, and what is left when that is subtracted.

    So at a unit's zero, what it adds is gone, and what no unit explains stays.
    """

    def __init__(self, module: nn.Module, units: Derived, images: Tensor):
        super().__init__(module, units.module, images)
        self._map, self._added, tokens = units.map, units.added(), super().others(images)
        self._tokens = None if tokens is None else tokens.shape[1:]

    def others(self, images: Tensor) -> Tensor:
        """(image, number): what is left at every place, then the class tokens and registers."""
        activations = run_layers(self.module, [self.name], images)[self.name]
        left, tokens = activations - self._sum(self._map.to(images.device)(activations)), super().others(images)
        return torch.cat([left.flatten(1), *([] if tokens is None else [tokens.flatten(1)])], 1)

    def __call__(self, activations: Tensor, others: Tensor | None = None, images: Tensor | None = None) -> Tensor:
        if others is None or len(others) != len(activations):
            raise BadInput(f"layer {self.name}: give what its units leave of it for these images (`others`)")
        added = self._sum(activations)
        left, rest = others.tensor_split([added[0].numel()], 1)
        tokens = None if self._tokens is None else rest.unflatten(1, self._tokens)
        return super().__call__(left.reshape(added.shape) + added, tokens, images)

    def feeds(self, activations: Tensor, images: Tensor) -> list[tuple[nn.Conv2d, str]]:
        return []

    def _sum(self, values: Tensor) -> Tensor:
        return torch.einsum("iuhw,uf->ifhw", values, self._added.to(values.device))


def scores(output: object) -> Tensor:
    """A network's output as one score for each image and output; a map is averaged over its positions."""
    if not isinstance(output, Tensor) or output.ndim not in (2, 4):
        what = f"of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise BadInput(f"network: its output is {what}, not scores (image, output); it predicts no classes")
    return output.float() if output.ndim == 2 else output.float().mean((2, 3))


def _finished_before(
    module: nn.Module, layer: nn.Module, calls: int, images: Tensor
) -> tuple[dict[nn.Module, Tensor], Tensor]:
    """The modules whose calls all end before the layer's last call begins, with zeros shaped like their output for one
    image; and an empty tensor shaped like the layer's output."""
    likes: dict[nn.Module, Tensor] = {}
    needed, left = set(), calls

    def starts(part: nn.Module, _args: object) -> None:
        nonlocal left
        left -= part is layer
        if not left:
            needed.add(part)

    def ends(part: nn.Module, _args: object, output: object) -> None:
        batch = output if isinstance(output, Tensor) and output.shape[:1] == images.shape[:1] else None
        like = images.new_empty(0) if batch is None else batch.new_empty(0, *batch.shape[1:])
        if not left or batch is None or likes.get(part, like).shape != like.shape:
            needed.add(part)
        likes[part] = like

    with ExitStack() as hooks, passing(images):
        for part in module.modules():
            if not isinstance(part, torch.jit.ScriptModule):
                hooks.enter_context(part.register_forward_pre_hook(starts))
                hooks.enter_context(part.register_forward_hook(ends))
        module(images)
    before = {part: like for part, like in likes.items() if part not in needed and "forward" not in vars(part)}
    return {part: like.new_zeros(1, *like.shape[1:]) for part, like in before.items()}, likes[layer]


def _zeroed(activations: Tensor, filters: Sequence[int]) -> Tensor:
    changed = activations.clone()
    changed[:, list(filters)] = 0
    return changed


def _conv(conv: nn.Conv2d, activations: Tensor, filters: Sequence[int], bias: Tensor | None) -> Tensor:
    """The convolution's output for these filters alone."""
    chosen = list(filters)
    return F.conv2d(activations[:, chosen], conv.weight[:, chosen], bias, conv.stride, conv.padding, conv.dilation)


def _agrees(answer: Callable[[], Tensor], expected: Tensor, within: float) -> bool:
    """Whether `answer` runs and returns the expected scores."""
    try:
        return bool((answer() - expected).abs().max() <= within)
    except (BadInput, RuntimeError):  # maps of different sizes met
        return False
