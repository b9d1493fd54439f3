"""What the cells of a network's layers see, found by gradients, independently of the library's receptive fields.

The network's own forward pass runs with all weights equal and activations replaced by the identity, so that a gradient
reaches all that a cell could see. All channels of a tensor are then equal: only one is computed, and parameters are
never read, so the network may be on torch's meta device. It imports nothing of n2vlib.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PASSING = {"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "hardswish", "silu", "gelu", "batch_norm", "dropout"}
BOUNDED = {"sigmoid", "hardsigmoid"}  # of gates: strictly rising everywhere, so that no gradient vanishes
POOLS = {"max_pool2d", "_max_pool2d", "max_pool2d_with_indices", "avg_pool2d"}
ADAPTIVE = {"adaptive_avg_pool2d", "adaptive_max_pool2d", "_adaptive_avg_pool2d", "_adaptive_max_pool2d"}
ARITHMETIC = {"add": "add", "__add__": "add", "add_": "add", "__iadd__": "add", "__radd__": "add"}
ARITHMETIC |= {name.replace("add", "mul"): "mul" for name in ARITHMETIC}
END = 8  # pixels


class equal_weights(TorchFunctionMode):
    """A `with` block in which weights are equal. `cut`: no gradient passes through what was pooled to one cell."""

    def __init__(self, cut: bool = False):
        super().__init__()
        self.cut = cut

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs, x = getattr(func, "__name__", ""), kwargs or {}, args[0] if args else None
        grids = [part for part in args if isinstance(part, Tensor) and part.ndim == 4]
        if name in PASSING:
            return x
        if name in BOUNDED:
            return _many(_one(x) / (1 + _one(x)), x.shape[1]) if grids else x / (1 + x)
        if name == "linear":
            return x.mean(-1, keepdim=True).expand(*x.shape[:-1], args[1].shape[0])
        if name in ARITHMETIC and grids:
            ones = [_one(part) if isinstance(part, Tensor) and part.ndim == 4 else part for part in args]
            return _many(getattr(torch, ARITHMETIC[name])(*ones), max(part.shape[1] for part in grids))
        if name in ("cat", "concat") and (args[1:] or tuple(kwargs.values())) == (1,) and x[0].ndim == 4:
            return _many(sum(_one(part) for part in x) / len(x), sum(part.shape[1] for part in x))
        if name in {"conv2d", *POOLS, *ADAPTIVE, "mean"} and grids:
            found = _slid(name, func, args, kwargs)
            return found.detach() if self.cut and found.shape[-2:] == (1, 1) != x.shape[-2:] else found
        return func(*args, **kwargs)


def _one(x: Tensor) -> Tensor:
    return getattr(x, "of_one", x[:, :1])


def _many(x: Tensor, channels: int) -> Tensor:
    """The same channel `channels` times. It keeps that one, so that no gradient has to pass through all of them."""
    expanded = x.expand(-1, channels, -1, -1)
    expanded.of_one = x
    return expanded


def _slid(name: str, func, args: tuple, kwargs: dict) -> Tensor:
    x, rest = args[0], dict(zip(("kernel_size", "stride", "padding"), args[1:4], strict=False)) | kwargs
    if name == "conv2d":
        kernel = args[1].shape[2:]
        return _many(F.conv2d(_one(x), x.new_ones(1, 1, *kernel) / kernel.numel(), None, *args[3:6]), len(args[1]))
    if name in POOLS:
        chosen = {key: rest[key] for key in ("kernel_size", "stride", "padding", "ceil_mode") if rest.get(key)}
        return _many(F.avg_pool2d(_one(x), **chosen), x.shape[1])
    return func(*args, **kwargs) if name == "mean" else _many(F.adaptive_avg_pool2d(_one(x), args[1]), x.shape[1])


class Reach:
    """One pass over an image of `size` (height, width); then what any cell of any layer sees."""

    def __init__(self, net: nn.Module, size: tuple[int, int], cut: bool = False):
        self.image = torch.ones(1, 1, *size, dtype=torch.float64, requires_grad=True)
        self.outputs: dict[str, Tensor] = {}
        handles = [part.register_forward_hook(self._keep(name)) for name, part in net.named_modules() if name]
        try:
            with equal_weights(cut):
                net(self.image.expand(-1, 3, -1, -1))
        except (RuntimeError, NotImplementedError) as failure:  # of a part that mixes more than channels: ends here
            self.failure = str(failure)
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, name: str):
        def hook(_module: nn.Module, _args: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4:
                self.outputs[name] = output

        return hook

    def of(self, layer: str, cell: Sequence[int]) -> list[tuple[int, int]]:
        """(first, last + 1) of the rows, and of the columns, that the gradient of a cell reaches; of none (0, 0)."""
        output = _one(self.outputs[layer])[0, 0, cell[0], cell[1]]
        if not output.requires_grad:
            return [(0, 0), (0, 0)]
        (slope,) = torch.autograd.grad(output, self.image, retain_graph=True)
        found = [slope[0, 0].abs().sum(axis).nonzero().flatten() for axis in (1, 0)]
        return [(int(at[0]), int(at[-1]) + 1) for at in found]


def differences(net: nn.Module, layers: dict, size: tuple[int, int]) -> tuple[int, list[str]]:
    """Cells compared, and what differs from the gradients: along the longer axis of `size`, two cells in the middle.

    layers   of `Network`, {name: shape and windows}; those without windows are skipped, and so is a layer with the
             output of one before it (a norm, an activation) and the same window
    The direct path of a cell (without what was pooled to one cell) must see its window, and the cell all of the image
    where the window says that it sees further. The second cell shows the stride.
    """
    axis, compared, wrong, known = int(size[1] > size[0]), 0, [], set()
    whole, direct = Reach(net, size), Reach(net, size, cut=True)
    for name, (_, *grid), windows in ((name, found.shape, found.windows) for name, found in layers.items()):
        if windows is None or (id(whole.outputs.get(name)), windows) in known:
            continue
        if name not in whole.outputs:
            wrong.append(f"{name}: placed, but the pass of gradients ends before it ({whole.failure})")
            continue
        known.add((id(whole.outputs[name]), windows))
        window, middle = windows[axis], [n // 2 for n in grid]
        for at in range(middle[axis], min(middle[axis] + 2, grid[axis])):
            cell = [at if axis == each else middle[each] for each in (0, 1)]
            first = max(int(window.offset + at * window.step), 0)
            last = min(int(window.offset + at * window.step + window.size), size[axis])
            pooled = tuple(grid) == (1, 1)  # cut off as a whole
            seen = (whole if pooled or not window.further else direct).of(name, cell)[axis]
            compared += 1
            # Pooling cannot see the last pixels, where no cell of a convolution without padding ends.
            missing = END if pooled else 1
            if seen[0] != first or not last - missing < seen[1] <= last:
                wrong.append(f"{name}: cell {at} sees {seen}, not {(first, last)}")
            if window.further and at == middle[axis]:
                seen = whole.of(name, cell)[axis]
                if seen[0] >= window.step or seen[1] <= size[axis] - window.step:
                    wrong.append(f"{name}: cell {at} sees {seen} of {size[axis]} by its gate, not everything")
    return compared, wrong
