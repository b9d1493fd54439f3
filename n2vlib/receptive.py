"""Where a cell of a layer looks: offset, size and step of its window on the input, followed through one forward pass.

Composition (Network Dissection's field maps): a window (offset o2, size s2, step t2) on a layer whose own windows are
(o1, s1, t1) is (o1 + o2*t1, s1 + (s2 - 1)*t1, t1*t2) on the input; a convolution or pooling is (-padding, kernel,
stride). Paths that meet (residuals, concatenation) look at the hull of their windows. The walk follows the functions
a network calls, not its modules, so networks written with torch.nn.functional are covered too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_MARK = "_n2v_windows"


@dataclass(frozen=True)
class Window:
    """Cell j of one axis looks at input pixels offset + j*step up to (not including) offset + j*step + size.

    offset may be negative and the window larger than the image (padding); size is infinite for a cell that sees
    everything. Values are those of the architecture: how far a cell could look, whatever its weights.
    """

    offset: float = 0
    size: float = 1
    step: float = 1

    def then(self, offset: float, size: float, step: float) -> "Window":
        """The window on the input of a window (offset, size, step) on this layer."""
        return Window(self.offset + offset * self.step, self.size + (size - 1) * self.step, self.step * step)

    def hull(self, other: "Window") -> "Window":
        """The window that covers both; both are of the same grid."""
        if math.inf in (self.size, other.size):
            return Window(-math.inf, math.inf, max(self.step, other.step))
        offset = min(self.offset, other.offset)
        size = max(self.offset + self.size, other.offset + other.size) - offset
        return Window(offset, size, max(self.step, other.step))


Windows = tuple[Window, Window]  # of the height and of the width
EVERYWHERE = (Window(-math.inf, math.inf, 1), Window(-math.inf, math.inf, 1))


def windows_of(output: object) -> Windows | None:
    """Windows of a tensor made inside `walk`: (along the height, along the width); None where the walk lost track."""
    return getattr(output, _MARK, None)


class walk(TorchFunctionMode):
    """A `with` block in which every tensor that is computed from `image` knows its windows (`windows_of`).

    image   float, (1, 3, height, width)
    """

    def __init__(self, image: Tensor):
        super().__init__()
        setattr(image, _MARK, (Window(), Window()))

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        # Shapes and windows are read before the call: functions that work in place overwrite both.
        before = [(tuple(t.shape), getattr(t, _MARK)) for t in _tensors((args, kwargs)) if hasattr(t, _MARK)]
        result = func(*args, **kwargs)
        for output in _tensors(result):
            if before and output.is_floating_point():
                setattr(output, _MARK, _after(_name(func), args, kwargs, before, tuple(output.shape)))
        return result


def _name(func: Callable) -> str:
    """Name of a function, or of the property that it reads (`x.mT`)."""
    name = getattr(func, "__name__", "")
    return getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name


def _after(name: str, args: tuple, kwargs: dict, before: list, shape: tuple[int, ...]) -> Windows | None:
    """Windows of an output of that shape of the function `name`, from [(shape, windows)] of what went in."""
    if any(marks is None for _, marks in before):
        return None
    if name in _SLIDING:
        return _slide(before[0][1], *_SLIDING[name](args, kwargs))
    if name == "pad":
        left, _right, top, _bottom = (*_argument(args, kwargs, 1, "pad"), 0, 0)[:4]
        return _slide(before[0][1], (1, 1), (1, 1), (top, left), (1, 1))
    if name in _ADAPTIVE:
        return _evenly(before[0][0], before[0][1], shape)
    kept: list[Windows] = [marks for before_shape, marks in before if before_shape[-2:] == shape[-2:]]
    if (
        len(shape) < 4
        or name in _MIXING
        or _along_the_grid(name, args, kwargs, len(shape))
        or (shape[-2:] == (1, 1) and not kept)
    ):
        return EVERYWHERE
    if not kept or name in _REARRANGING or _moves_the_grid(name, args, len(shape)):
        return None
    # What was spread from one cell over the grid (squeeze and excitation) lets every cell see what that cell saw.
    height, width = kept[0]
    for other_height, other_width in [marks for _, marks in before if marks is not kept[0]]:
        height, width = height.hull(other_height), width.hull(other_width)
    return height, width


def _evenly(before: tuple[int, ...], marks: Windows, shape: tuple[int, ...]) -> Windows:
    """Windows behind adaptive pooling: those of a plain pooling if it divides the grid, else the whole image."""
    cells = tuple(whole // part for whole, part in zip(before[-2:], shape[-2:], strict=True))
    if not all(cells):
        return EVERYWHERE
    even = all(cell * part == whole for cell, part, whole in zip(cells, shape[-2:], before[-2:], strict=True))
    return _slide(marks, cells, cells, (0, 0), (1, 1)) if even else EVERYWHERE


def _moves_the_grid(name: str, args: tuple, n_axes: int) -> bool:
    """Whether permute or transpose puts other axes in the place of height and width, or an index other cells."""
    if name == "permute":
        order = args[1] if len(args) == 2 else args[1:]
        return [axis % n_axes for axis in order][-2:] != [n_axes - 2, n_axes - 1]
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        # Behind an ellipsis, or the first two axes, a slice that keeps the size is the whole axis; a list is not.
        open_end = [at for at, part in enumerate(index) if part is Ellipsis]
        behind = index[open_end[0] + 1 if open_end else 2 :]
        return any(part is not None and not isinstance(part, slice) for part in behind)
    return name in _TRANSPOSING and any(axis % n_axes >= n_axes - 2 for axis in args[1:])


def _along_the_grid(name: str, args: tuple, kwargs: dict, n_axes: int) -> bool:
    """Whether a function that works along one axis (softmax) works along the height or the width."""
    if name not in _ALONG:
        return False
    axis = _argument(args, kwargs, 1, "dim")
    return axis is None or axis % n_axes >= n_axes - 2


def _slide(marks: Windows, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> Windows:
    height, width = (
        marks[axis].then(-padding[axis], (kernel[axis] - 1) * dilation[axis] + 1, stride[axis]) for axis in (0, 1)
    )
    return height, width


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
# Functions whose every output cell depends on the whole grid although the grid keeps its size.
_MIXING = {"instance_norm", "group_norm", "layer_norm", "matmul", "bmm", "einsum", "scaled_dot_product_attention"}
# Functions that can keep the grid's size and yet move what its cells look at: the walk does not follow them.
_REARRANGING = {"conv_transpose2d", "interpolate", "upsample", "roll", "flip", "fliplr", "flipud", "rot90", "T", "mT"}
_REARRANGING |= {"pixel_shuffle", "pixel_unshuffle", "grid_sample", "deform_conv2d", "movedim", "moveaxis"}
_REARRANGING |= {"index_select", "gather", "take_along_dim", "sort", "H", "mH"}
_TRANSPOSING = {"transpose", "swapaxes", "swapdims"}
# Functions along one axis: every cell of the axis depends on the others.
_ALONG = {"softmax", "log_softmax", "softmin", "cumsum", "cumprod"}


def _argument(args: tuple, kwargs: dict, at: int, name: str, default: Any = None) -> Any:
    return args[at] if len(args) > at else kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, list | tuple | torch.Size) else (value,)
    return (values[0], values[-1])


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in _tensors(part)] if isinstance(value, list | tuple) else []
