"""Which axes of a layer's output are height and width, tracked through one forward pass.

Convolutions output (image, filter, h, w); blocks of Swin, ConvNeXt or MaxViT output (image, h, w, filter), and a shape
alone does not show which is which. So axes are tracked from the image on, function by function: permuting moves them,
a reshape splits and joins them, and functions on pictures take the last two as height and width.

    with following(images):
        output = net(images)
    mark_of(output).layout(len(images)).read(output)     # (image, filter, h, w)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_leaves, tree_map

from n2vlib.networks import tokens
from n2vlib.networks.axes import (
    CELLS,
    Axes,
    Axis,
    aligned,
    as_picture,
    axis,
    is_whole,
    labels,
    regrouped,
    resized,
    size_of,
    unknown,
)
from n2vlib.networks.layout import Layout, layout_of

_MARK = "_n2v_axes"


class Mark:
    """The axes of one tensor, or None where they are unknown; a later function that reads the tensor may set them."""

    def __init__(self, axes: Axes | None = None):
        self.known = axes

    def layout(self, images: int) -> Layout | None:
        """How the tensor, of so many images, holds (image, filter, h, w); None where it is unknown."""
        return layout_of(self.known, images) if self.known else None


def mark_of(output: Tensor) -> Mark:
    """The mark of a tensor made inside `following`; its axes may become known later in the pass."""
    if not hasattr(output, _MARK):
        setattr(output, _MARK, Mark())
    return getattr(output, _MARK)


@contextmanager
def following(images: Tensor) -> Iterator[None]:
    """A `with` block in which every tensor computed from `images` carries its axes (`mark_of`).

    images   (image, channel, height, width), two or more of them: an axis of size 1 cannot be followed
    """
    axes = tuple(axis(label, n) for label, n in zip("nchw", images.shape, strict=True))
    setattr(images, _MARK, Mark(axes))
    with _Following():
        yield


class _Following(TorchFunctionMode):
    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name, kwargs = _name(func), kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if name in _PICTURES and given and given[0].ndim == 4:
            mark = mark_of(given[0])
            mark.known = as_picture(_known(given[0]) or unknown(given[0].shape))
        # Read before the call: functions that work in place overwrite shapes and axes.
        before = [(value, tuple(value.shape), _known(value)) for value in given]
        result = func(*args, **kwargs)
        for at, output in enumerate(tree_leaves(result) if any(axes for _, _, axes in before) else ()):
            if isinstance(output, Tensor):
                shape = tuple(output.shape)
                axes = _after(func, args, kwargs, before, shape, at)
                setattr(output, _MARK, Mark(axes if tuple(map(size_of, axes)) == shape else unknown(shape)))
        return result


def _name(func: Callable) -> str:
    """Name of a function, of one that works in place without its "_", or of the property that it reads (`x.mT`)."""
    name = getattr(func, "__name__", "")
    name = getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name
    return name if name.endswith("__") else name.removesuffix("_")


def _known(value: Tensor) -> Axes | None:
    """Axes of a tensor; None where they are unknown, or an untracked function has changed its shape since."""
    known = getattr(value, _MARK).known if hasattr(value, _MARK) else None
    return known if known and tuple(map(size_of, known)) == tuple(value.shape) else None


def _after(func: Callable, args: tuple, kwargs: dict, given: list[tuple], shape: tuple[int, ...], at: int) -> Axes:
    """Axes of output number `at`, of that shape, from [(tensor, shape, axes or None)] of the inputs."""
    name, inputs = _name(func), [(size, axes) for _, size, axes in given if axes]
    (size, axes), tensors = inputs[0], [value for value, _, _ in given]
    if name in _PICTURES and len(shape) == len(size) == 4:
        return (*resized(axes[:1], shape[:1]), *resized(axes[1:], shape[1:], "c"))
    if func is F.unfold and len(size) == 4 and not labels(axes[0]) & {"h", "w", CELLS}:
        return axes[0], axis("c", shape[1]), _slid(args, kwargs, axes[2:], size[2:], shape[2])
    if name in _REGROUPING and math.prod(shape) == math.prod(size) > 0:
        return regrouped(axes, shape)
    if name == "linear":
        return (*axes[:-1], _mixed(axes, shape[-1]))
    if name in _PRODUCTS and len(shape) > 1:
        return _product(name, tensors, shape)
    if name == "multi_head_attention_forward":
        return _attended(given[0][2], shape, at)
    if name == "einsum" and isinstance(args[0], str):
        return _summed(args[0], tensors, shape)
    if name in tokens.SHUFFLING:
        return unknown(shape)
    if name in tokens.JOINING and len(shape) == len(size):
        return _put_together(args, kwargs, given, shape)
    moves = name in _PERMUTING or len(shape) != max(len(size) for size, _ in inputs)
    found = _carried(func, args, kwargs, given, shape) if moves else aligned(inputs, shape)
    if name not in tokens.CHOOSING:
        return found
    followed = [value for value in tensors if hasattr(value, _MARK)]
    if len(followed) > 1 or followed[0] is not tensors[0]:  # chosen by what the image shows
        return unknown(shape)
    return tokens.chosen(func, args, kwargs, tensors[0], axes, at, found)


def _slid(args: tuple, kwargs: dict, axes: Axes, size: tuple[int, ...], n: int) -> Axis:
    """The columns of `unfold`: one for each place of a window on a picture, row by row as those of a convolution."""
    given = dict(zip(("kernel_size", "dilation", "padding", "stride"), args[1:], strict=False)) | kwargs
    kernel, dilation, padding, stride = (
        each if isinstance(each, tuple | list) else (each, each)
        for each in (given.get(name, default) for name, default in _UNFOLD.items())
    )
    rows, columns = ((size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2))
    known = all(is_whole(each) and labels(each) == {label} for each, label in zip(axes, "hw", strict=True))
    return tokens.whole(rows, columns) if known and rows * columns == n else unknown((n,))[0]


def _put_together(args: tuple, kwargs: dict, given: list[tuple], shape: tuple[int, ...]) -> Axes:
    """Axes after torch.cat."""
    along = kwargs.get("dim", args[1] if len(args) > 1 else kwargs.get("axis", 0)) % len(shape)
    found = aligned([(size, axes) for _, size, axes in given if axes], shape)
    if labels(*found[:along], *found[along + 1 :]) & {"h", "w", CELLS}:  # pictures, or channels of tokens
        return found
    axes = [(axes or unknown(size))[along] for _, size, axes in given if len(size) == len(shape)]
    return (*found[:along], tokens.joined(axes) or found[along], *found[along + 1 :])


def _mixed(axes: Axes, size: int) -> Axis:
    """The last axis after a matrix product over it: filters, unless it is known to be something else."""
    *others, last = axes
    if "c" in labels(last) or not (labels(last) & {"h", "w", CELLS} or "c" in labels(*others)):
        return axis("c", size)
    return last if size_of(last) == size else unknown((size,))[0]


def _product(name: str, given: list[Tensor], shape: tuple[int, ...]) -> Axes:
    """Axes of a matrix product: rows of the first matrix (in attention, the queries) and columns of the last."""
    attention = name == "scaled_dot_product_attention"
    rows, columns = given[0], given[2 if attention else 1]
    if min(rows.ndim, columns.ndim) < 2:
        return unknown(shape)
    above, below = (_known(value) or unknown(value.shape) for value in (rows, columns))
    leading = aligned([(tuple(rows.shape[:-2]), above[:-2]), (tuple(columns.shape[:-2]), below[:-2])], shape[:-2])
    row = above[-2] if attention or _known(rows) or shape[-2] != columns.shape[-2] else below[-2]
    return (*leading, row, below[-1] if _known(columns) else _mixed(above, shape[-1]))


def _attended(queries: Axes | None, shape: tuple[int, ...], at: int) -> Axes:
    """Axes of the outputs of torch's multi-head attention: (token, image, channel) as the queries, and the weights."""
    return (*queries[:2], axis("c", shape[2])) if queries and at == 0 and len(shape) == 3 else unknown(shape)


def _summed(equation: str, given: list[Tensor], shape: tuple[int, ...]) -> Axes:
    """Axes after einsum, by their letters."""
    letters, arrow, kept = equation.replace(" ", "").partition("->")
    if not arrow or "." in letters:
        return unknown(shape)
    axes: dict[str, Axis] = {}
    for names, value in zip(letters.split(","), given, strict=True):
        axes = dict(zip(names, _known(value) or (), strict=False)) | axes
    return tuple(axes.get(letter) or unknown((size,))[0] for letter, size in zip(kept, shape, strict=True))


def _carried(func: Callable, args: tuple, kwargs: dict, given: list[tuple], shape: tuple[int, ...]) -> Axes:
    """Axes after a function that moves, adds or removes whole axes, found by calling it on an empty tensor whose axes
    all differ in size."""
    size, axes = next((size, axes) for _, size, axes in given if axes)
    sizes, alike = _APART[: len(size)], [value for value, was, _ in given if was == size]

    def apart(value: Any) -> Any:
        if any(value is each for each in alike):
            return torch.empty(sizes, device="meta")
        return slice(None) if isinstance(value, slice) else value

    if not alike or alike[0] is not given[0][0]:  # an in-place function would change its tensor twice
        return unknown(shape)
    if _name(func) in _REDUCING:  # on the meta device these import torch's compiler
        func = _reduced
    try:
        moved = next(iter(tree_iter(func(*tree_map(apart, args), **tree_map(apart, kwargs))))).shape
    except Exception:  # an index that is too large, more numbers than torch can count
        return unknown(shape)
    if len(moved) != len(shape):
        return unknown(shape)
    places = zip(moved, shape, strict=True)
    return tuple(resized((axes[sizes.index(was)],), (n,))[0] if was in sizes else unknown((n,))[0] for was, n in places)


def _reduced(value: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """A tensor of the shape that a sum over axes leaves."""
    dims = [i % value.ndim for i in (range(value.ndim) if dim is None else [dim] if isinstance(dim, int) else dim)]
    left = value[tuple(slice(1) if i in dims else slice(None) for i in range(value.ndim))]
    return left if keepdim else left.squeeze(dims)


_APART = (1009, 1013, 1019, 1021, 1031, 1033, 1039)
# Functions that work on pictures: torch takes their last two axes for height and width.
_PICTURES = {"conv2d", "conv_transpose2d", "deform_conv2d", "batch_norm", "instance_norm", "local_response_norm"}
_PICTURES |= {"max_pool2d", "_max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "adaptive_avg_pool2d"}
_PICTURES |= {"adaptive_max_pool2d", "_adaptive_avg_pool2d", "_adaptive_max_pool2d", "lp_pool2d", "max_unpool2d"}
_PICTURES |= {"adaptive_max_pool2d_with_indices", "fractional_max_pool2d", "interpolate", "upsample", "grid_sample"}
_PICTURES |= {"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"}
_UNFOLD = {"kernel_size": 1, "dilation": 1, "padding": 0, "stride": 1}  # its arguments, in their order
_REGROUPING = {"view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "ravel", "squeeze", "unsqueeze"}
_PERMUTING = {"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "T", "mT", "H", "mH", "t"}
_PERMUTING |= {"adjoint", "rot90"}
_REDUCING = {"mean", "sum", "amax", "amin"}
_PRODUCTS = {"matmul", "__matmul__", "bmm", "scaled_dot_product_attention"}
