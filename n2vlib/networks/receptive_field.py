"""Receptive fields: offset, size and step of the input windows of a layer's cells, tracked through one forward pass.

Composition (Network Dissection's field maps): a window (offset o2, size s2, step t2) on a layer whose own windows are
(o1, s1, t1) is (o1 + o2*t1, s1 + (s2 - 1)*t1, t1*t2) on the input; a convolution or pooling is (-padding, kernel,
stride). Where paths meet (residuals, concatenation), the window is the hull of theirs. A gate (squeeze and excitation,
any branch that pools the grid and acts on all of its cells) lets a cell see further and does not change its position.
Functions are tracked, not modules, so networks written with torch.nn.functional are covered too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

_MARK = "_n2v_windows"


@dataclass(frozen=True)
class Window:
    """Cell j of one axis sees input pixels offset + j*step up to (not including) offset + j*step + size.

    offset may be negative and the window larger than the image (padding). Values follow from the
    architecture: what a cell could see, whatever its weights.
    further   a cell also sees pixels outside, by a gate or a norm over the grid: usually the whole image. The window is
              then that of the direct path, which gives the cell's position
    """

    offset: float = 0
    size: float = 1
    step: float = 1
    further: bool = False

    def then(self, offset: float, size: float, step: float) -> "Window":
        """The window on the input of a window (offset, size, step) on this layer."""
        size = self.size + (size - 1) * self.step
        return Window(self.offset + offset * self.step, size, self.step * step, self.further)

    def hull(self, other: "Window") -> "Window":
        """The window that covers both; both belong to the same grid, so they have the same step."""
        offset = min(self.offset, other.offset)
        size = max(self.offset + self.size, other.offset + other.size) - offset
        return Window(offset, size, self.step, self.further or other.further)


Windows = tuple[Window, Window]  # of the height and of the width


def windows_of(output: object) -> Windows | None:
    """Windows of a tensor made inside `walk`: (along the height, along the width).

    None where the positions of its cells are unknown, or they hold values of the whole grid.
    """
    return getattr(output, _MARK, None)


class walk(TorchFunctionMode):
    """A `with` block in which every tensor computed from `image` carries its windows (`windows_of`).

    image   float, (1, 3, height, width)
    """

    def __init__(self, image: Tensor):
        super().__init__()
        setattr(image, _MARK, (Window(), Window()))

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        # Shapes and windows are read before the call: functions that work in place overwrite both.
        before = [(tuple(t.shape), getattr(t, _MARK)) for t in tree_leaves((args, kwargs)) if hasattr(t, _MARK)]
        result = func(*args, **kwargs)
        for output in tree_leaves(result) if before else ():
            if isinstance(output, Tensor) and output.is_floating_point():
                setattr(output, _MARK, _after(_name(func), args, kwargs, before, tuple(output.shape)))
        return result


def _name(func: Callable) -> str:
    """Name of a function, or of the property that it reads (`x.mT`)."""
    name = getattr(func, "__name__", "")
    return getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name


def _after(name: str, args: tuple, kwargs: dict, before: list, shape: tuple[int, ...]) -> Windows | None:
    """Windows of an output of that shape of the function `name`, from [(shape, windows)] of the inputs."""
    if name in _SHAPED_LIKE:
        before = before[:1]
    came, marks = before[0]
    if name in _SLIDING or name in _ADAPTIVE or name == "pad":
        slid = _slid(name, args, kwargs, came, shape)
        windows = None if marks is None or slid is None else (_slide(marks[0], 0, *slid), _slide(marks[1], 1, *slid))
        further = len(before) > 1  # the kernel too is computed from the image
    else:
        here = [marks for shape_before, marks in before if shape_before[-2:] == shape[-2:] and marks is not None]
        along = _along_the_grid(name, args, kwargs, len(came))
        gone = (
            name in _REARRANGING or name in _REDUCING and along or _moves_the_grid(name, args, kwargs, came, len(shape))
        )
        windows = None if gone or len(shape) < 3 else _meet(here)
        # Another input was pooled and is broadcast over the grid (a gate), or this function does both.
        further = len(here) < len(before) or name in _NORMS or name in _ALONG and along
    if windows is None or not further:
        return windows
    return replace(windows[0], further=True), replace(windows[1], further=True)


def _meet(paths: list[Windows]) -> Windows | None:
    """The hull of the windows of paths that meet on one grid; None where there are none, or their steps differ."""
    if len({(height.step, width.step) for height, width in paths}) != 1:
        return None
    heights, widths = zip(*paths, strict=True)
    return reduce(Window.hull, heights), reduce(Window.hull, widths)


def _slid(name: str, args: tuple, kwargs: dict, before: tuple[int, ...], shape: tuple[int, ...]) -> tuple | None:
    """(kernel, stride, padding, dilation) of a function that slides a window over the grid; None where it has none."""
    if name in _SLIDING:
        return _SLIDING[name](args, kwargs)
    if name == "pad":
        left, _right, top, _bottom = (*_argument(args, kwargs, 1, "pad"), 0, 0)[:4]
        return (1, 1), (1, 1), (top, left), (1, 1)
    # Adaptive pooling equals plain pooling if it divides the grid.
    cells = tuple(whole // part for whole, part in zip(before[-2:], shape[-2:], strict=True))
    even = all(cell * part == whole for cell, part, whole in zip(cells, shape[-2:], before[-2:], strict=True))
    return (cells, cells, (0, 0), (1, 1)) if even else None


def _moves_the_grid(name: str, args: tuple, kwargs: dict, before: tuple[int, ...], n_axes: int) -> bool:
    """Whether permute or transpose moves the axes of height and width, or an index moves cells."""
    if name == "permute":
        order = args[1] if len(args) == 2 else args[1:]
        return [axis % n_axes for axis in order][-2:] != [n_axes - 2, n_axes - 1]
    if name == "__getitem__":
        return _chooses_cells(args[1] if isinstance(args[1], tuple) else (args[1],), len(before))
    return name in _TRANSPOSING and any(axis % n_axes >= n_axes - 2 for axis in (*args[1:], *kwargs.values()))


def _chooses_cells(index: tuple, n_axes: int) -> bool:
    """Whether an index does more than slice along the last two axes; a slice that keeps the size is the whole axis."""
    ellipsis = next((at for at, part in enumerate(index) if part is Ellipsis), len(index))
    n_behind = sum(part is not None for part in index[ellipsis + 1 :])
    front = [part for part in index[:ellipsis] if part is not None]
    parts = [*front, *[slice(None)] * (n_axes - len(front) - n_behind), *index[ellipsis + 1 :]]
    parts = [part for part in parts if part is not None]
    return any(not isinstance(part, slice) for part in parts[n_axes - 2 :])


def _along_the_grid(name: str, args: tuple, kwargs: dict, n_axes: int) -> bool:
    """Whether a function that works along some axes (softmax, mean) works along the height or the width."""
    axes = _argument(args, kwargs, 1, "dim")
    if name not in _ALONG | _REDUCING or isinstance(axes, Tensor):  # the larger of two tensors
        return False
    return axes is None or any(
        axis % n_axes >= n_axes - 2 for axis in (axes if isinstance(axes, list | tuple) else (axes,))
    )


def _slide(mark: Window, axis: int, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> Window:
    return mark.then(-padding[axis], (kernel[axis] - 1) * dilation[axis] + 1, stride[axis])


def _convolution(args: tuple, kwargs: dict) -> tuple:
    """(kernel, stride, padding, dilation) of a call of conv2d."""
    kernel = tuple(_argument(args, kwargs, 1, "weight").shape[2:])
    stride, dilation = (_pair(_argument(args, kwargs, at, name, 1)) for at, name in ((3, "stride"), (5, "dilation")))
    padding = _argument(args, kwargs, 4, "padding", 0)
    if padding == "same":  # stride is 1 then; torch puts the odd pixel at the end
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    return kernel, stride, _pair(0 if padding == "valid" else padding), dilation


def _pooling(args: tuple, kwargs: dict) -> tuple:
    """(kernel, stride, padding, dilation) of a call of max_pool2d; avg_pool2d has no dilation."""
    kernel = _pair(_argument(args, kwargs, 1, "kernel_size"))
    stride = _argument(args, kwargs, 2, "stride", None)
    dilation = _argument(args, kwargs, 4, "dilation", 1)
    return kernel, _pair(stride or kernel), _pair(_argument(args, kwargs, 3, "padding", 0)), _pair(dilation)


def _averaging(args: tuple, kwargs: dict) -> tuple:
    return (*_pooling(args[:4], {k: v for k, v in kwargs.items() if k != "dilation"})[:3], (1, 1))


_SLIDING = {
    "conv2d": _convolution,
    "max_pool2d": _pooling,
    "_max_pool2d": _pooling,
    "max_pool2d_with_indices": _pooling,
    "avg_pool2d": _averaging,
}
_ADAPTIVE = {"adaptive_avg_pool2d", "adaptive_max_pool2d", "_adaptive_avg_pool2d", "_adaptive_max_pool2d"}
_ADAPTIVE |= {"adaptive_max_pool2d_with_indices"}
# Functions that use only the shape of their second argument.
_SHAPED_LIKE = {"expand_as", "view_as", "reshape_as"}
# Functions that keep every cell in place and make it depend on the whole grid.
_NORMS = {"instance_norm", "group_norm", "layer_norm"}
# Functions that can keep the grid's size and yet move or mix its cells: these are not tracked.
_REARRANGING = {"conv_transpose2d", "interpolate", "upsample", "roll", "flip", "fliplr", "flipud", "rot90", "T", "mT"}
_REARRANGING |= {"pixel_shuffle", "pixel_unshuffle", "grid_sample", "deform_conv2d", "movedim", "moveaxis"}
_REARRANGING |= {"index_select", "gather", "take_along_dim", "sort", "H", "mH"}
_REARRANGING |= {"matmul", "bmm", "einsum", "scaled_dot_product_attention"}
_TRANSPOSING = {"transpose", "swapaxes", "swapdims"}
# Functions along one axis: every cell of the axis depends on the others.
_ALONG = {"softmax", "log_softmax", "softmin", "cumsum", "cumprod"}
# Functions that remove axes: where they remove the grid's, the result has no position on it.
_REDUCING = {"mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "norm", "logsumexp", "median", "select"}


def _argument(args: tuple, kwargs: dict, at: int, name: str, default: Any = None) -> Any:
    return args[at] if len(args) > at else kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, list | tuple | torch.Size) else (value,)
    return (values[0], values[-1])
