"""Which axes of a layer's output are height and width, tracked through one forward pass.

Convolutions output (image, filter, h, w); blocks of Swin, ConvNeXt or MaxViT output (image, h, w, filter), and a shape
alone does not show which is which. So axes are tracked from the image on, function by function: permuting moves them,
a reshape splits and joins them, and functions on pictures take the last two as height and width.

    with following(image):
        output = net(image)
    axes_of(output).order            # (0, 3, 1, 2): output.permute(order) is (image, filter, h, w)
"""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

STANDS = (0, 1, 2, 3)  # the order of an output that already is (image, filter, h, w)
_ORDERS = [STANDS, (0, 3, 1, 2), (0, 1, 3, 2), (0, 3, 2, 1), (0, 2, 1, 3), (0, 2, 3, 1)]
_MARK = "_n2v_axes"


class Part(NamedTuple):
    """Part of an axis after a reshape: `size` entries, `step` apart, of the `whole` that the axis had.

    label   "c", "h" or "w" of a picture; "?1", "?2" ... for axes of unknown meaning
    """

    label: str
    size: int
    step: int
    whole: int


Axis = tuple[Part, ...]  # parts joined by a reshape, outer parts first; () for an axis of size 1


class Axes:
    """The axes of one tensor, or None where they are unknown; a later function that reads the tensor may set them."""

    def __init__(self, axes: tuple[Axis, ...] | None = None):
        self.known = axes

    @property
    def order(self) -> tuple[int, ...] | None:
        """The permutation that makes four axes (image, filter, h, w); None where it is unknown."""
        known = self.known if self.known and len(self.known) == 4 else None
        return next((order for order in _ORDERS if known and _fits([known[at] for at in order], order)), None)


def axes_of(output: Tensor) -> Axes:
    """The axes of a tensor made inside `following`; they may become known later in the pass."""
    if not hasattr(output, _MARK):
        setattr(output, _MARK, Axes())
    return getattr(output, _MARK)


@contextmanager
def following(image: Tensor) -> Iterator[None]:
    """A `with` block in which every tensor computed from `image` carries its axes (`axes_of`).

    image   (1, channel, height, width)
    """
    setattr(image, _MARK, Axes(((), *(_axis(label, n) for label, n in zip("chw", image.shape[1:], strict=True)))))
    with _Following():
        yield


class _Following(TorchFunctionMode):
    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name, kwargs = _name(func), kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if name in _PICTURES and given and given[0].ndim == 4:
            mark = axes_of(given[0])
            mark.known = _as_picture(_known(given[0]) or _unknown(given[0].shape))
        # Read before the call: functions that work in place overwrite shapes and axes.
        before = [(value, tuple(value.shape), _known(value)) for value in given]
        result = func(*args, **kwargs)
        for output in tree_leaves(result) if any(axes for _, _, axes in before) else ():
            if isinstance(output, Tensor):
                setattr(output, _MARK, Axes(_after(func, args, kwargs, before, tuple(output.shape))))
        return result


def _name(func: Callable) -> str:
    """Name of a function, of one that works in place without its "_", or of the property that it reads (`x.mT`)."""
    name = getattr(func, "__name__", "")
    name = getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name
    return name if name.endswith("__") else name.removesuffix("_")


def _known(value: Tensor) -> tuple[Axis, ...] | None:
    """Axes of a tensor; None where they are unknown, or an untracked function has changed its shape since."""
    known = getattr(value, _MARK).known if hasattr(value, _MARK) else None
    return known if known and tuple(map(_size, known)) == tuple(value.shape) else None


def _size(axis: Axis) -> int:
    return math.prod(part.size for part in axis)


def _after(func: Callable, args: tuple, kwargs: dict, given: list[tuple], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes of an output of that shape, from [(tensor, shape, axes or None)] of the inputs."""
    name, inputs = _name(func), [(size, axes) for _, size, axes in given if axes]
    (size, axes), tensors = inputs[0], [value for value, _, _ in given]
    if name in _PICTURES and len(shape) == len(size) == 4:
        return (*_resized(axes[:1], shape[:1]), *_resized(axes[1:], shape[1:], "c"))
    if name in _REGROUPING and math.prod(shape) == math.prod(size) > 0:
        return _regrouped(axes, shape)
    if name == "linear":
        return (*axes[:-1], _mixed(axes, shape[-1]))
    if name in _PRODUCTS and len(shape) > 1:
        return _product(name, tensors, shape)
    if name == "einsum" and isinstance(args[0], str):
        return _summed(args[0], tensors, shape)
    if name in _PERMUTING or len(shape) != max(len(size) for size, _ in inputs):
        return _carried(func, args, kwargs, given, shape)
    return _aligned(inputs, shape)


def _axis(label: str, size: int) -> Axis:
    return () if size == 1 and label.startswith("?") else (Part(label, size, 1, size),)


_numbers = itertools.count()


def _unknown(shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(_axis(f"?{next(_numbers)}", size) for size in shape)


def _is_unknown(axis: Axis) -> bool:
    return all(part.label.startswith("?") for part in axis)


def _as_picture(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The four axes, with unknown ones taken as those of (image, filter, h, w)."""
    named = zip(axes[1:], "chw", strict=True)
    return (axes[0], *(_axis(label, _size(axis)) if _is_unknown(axis) else axis for axis, label in named))


def _resized(axes: tuple[Axis, ...], shape: tuple[int, ...], first: str = "") -> tuple[Axis, ...]:
    """The axes with their new sizes; an axis that was cropped or padded counts as a whole axis again."""
    resized = []
    for axis, size in zip(axes, shape, strict=True):
        whole = len(axis) == 1 and axis[0].size * axis[0].step == axis[0].whole
        resized.append(axis if _size(axis) == size else _axis(axis[0].label, size) if whole else _unknown((size,))[0])
    if first and _is_unknown(resized[0]):
        resized[0] = _axis(first, shape[0])
    return tuple(resized)


def _regrouped(axes: tuple[Axis, ...], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes after a reshape; all unknown where it does not split them evenly."""
    parts, grouped = [part for axis in axes for part in axis if part.size > 1], []
    for size in shape:
        taken, left = [], size
        while left > 1:
            part = parts.pop(0)
            if left % part.size == 0:
                taken.append(part)
                left //= part.size
            elif part.size % left == 0:
                inner = part.size // left
                taken.append(part._replace(size=left, step=part.step * inner))
                parts.insert(0, part._replace(size=inner))
                left = 1
            else:
                return _unknown(shape)
        grouped.append(_joined(taken))
    return tuple(grouped)


def _joined(parts: list[Part]) -> Axis:
    """Neighbouring parts that were split from one axis, merged again."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last and (last.label, last.whole, last.step) == (part.label, part.whole, part.size * part.step):
            joined[-1] = part._replace(size=last.size * part.size)
        else:
            joined.append(part)
    return tuple(joined)


def _mixed(axes: tuple[Axis, ...], size: int) -> Axis:
    """The last axis after a matrix product over it: filters, unless it is known to be something else."""
    *others, last = axes
    labels = {part.label for part in last}
    elsewhere = any(part.label == "c" for axis in others for part in axis)
    if "c" in labels or not (labels & {"h", "w"} or elsewhere):
        return _axis("c", size)
    return last if _size(last) == size else _unknown((size,))[0]


def _product(name: str, given: list[Tensor], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes of a matrix product: rows of the first matrix (in attention, the queries) and columns of the last."""
    rows, columns = given[0], given[2 if name == "scaled_dot_product_attention" else 1]
    if min(rows.ndim, columns.ndim) < 2:
        return _unknown(shape)
    above, below = (_known(value) or _unknown(value.shape) for value in (rows, columns))
    leading = _aligned([(tuple(rows.shape[:-2]), above[:-2]), (tuple(columns.shape[:-2]), below[:-2])], shape[:-2])
    row = above[-2] if _known(rows) or shape[-2] != columns.shape[-2] else below[-2]
    return (*leading, row, below[-1] if _known(columns) else _mixed(above, shape[-1]))


def _summed(equation: str, given: list[Tensor], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes after einsum, by their letters."""
    letters, arrow, kept = equation.replace(" ", "").partition("->")
    if not arrow or "." in letters:
        return _unknown(shape)
    axes: dict[str, Axis] = {}
    for names, value in zip(letters.split(","), given, strict=True):
        axes = dict(zip(names, _known(value) or (), strict=False)) | axes
    return tuple(axes.get(letter) or _unknown((size,))[0] for letter, size in zip(kept, shape, strict=True))


def _carried(func: Callable, args: tuple, kwargs: dict, given: list[tuple], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes after a function that moves, adds or removes whole axes, found by calling it on an empty tensor whose axes
    all differ in size."""
    size, axes = next((size, axes) for _, size, axes in given if axes)
    sizes, alike = _APART[: len(size)], [value for value, was, _ in given if was == size]

    def apart(value: Any) -> Any:
        if any(value is each for each in alike):
            return torch.empty(sizes, device="meta")
        return slice(None) if isinstance(value, slice) else value

    if not alike or alike[0] is not given[0][0]:  # an in-place function would change its tensor twice
        return _unknown(shape)
    if _name(func) in _REDUCING:  # on the meta device these import torch's compiler
        func = _reduced
    try:
        moved = tree_leaves(func(*tree_map(apart, args), **tree_map(apart, kwargs)))[0].shape
    except Exception:  # an index that is too large, more numbers than torch can count
        return _unknown(shape)
    if len(moved) != len(shape):
        return _unknown(shape)
    places = zip(moved, shape, strict=True)
    return tuple(
        _resized((axes[sizes.index(was)],), (n,))[0] if was in sizes else _unknown((n,))[0] for was, n in places
    )


def _reduced(value: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    """A tensor of the shape that a sum over axes leaves."""
    dims = [i % value.ndim for i in (range(value.ndim) if dim is None else [dim] if isinstance(dim, int) else dim)]
    left = value[tuple(slice(1) if i in dims else slice(None) for i in range(value.ndim))]
    return left if keepdim else left.squeeze(dims)


def _aligned(inputs: list[tuple[tuple[int, ...], tuple[Axis, ...]]], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes of an elementwise result; the inputs are broadcast to `shape`."""
    aligned = []
    for at, n in zip(range(-len(shape), 0), shape, strict=True):
        here = [(size[at], axes[at]) for size, axes in inputs if len(size) >= -at]
        same = [axis for was, axis in here if was == n]
        cut = [_resized((axis,), (n,))[0] for was, axis in here if was != 1]
        aligned.append(min([*same, *cut] if same or cut else _unknown((n,)), key=_doubt))
    return tuple(aligned)


def _doubt(axis: Axis) -> int:
    if not axis or _is_unknown(axis):
        return 3 - bool(axis)
    return 0 if len(axis) == 1 else 1


def _is(axis: Axis, label: str) -> bool:
    """Whether an axis can be the height or the width (`label`): all of it, or every n-th row in order."""
    return all(part.label == label and part.size * part.step == part.whole for part in axis) and len(axis) < 2


def _fits(axes: list[Axis], order: tuple[int, ...]) -> bool:
    """Whether axes in that order can be (image, filter, h, w)."""
    _, filters, height, width = axes
    usual = order in _ORDERS[:2]
    if _is(height, "h") and _is(width, "w"):
        labels = {part.label for part in filters}
        return bool(height and width) or (usual and ("c" in labels or not labels & {"h", "w"}))
    if not usual or not len(height) == len(width) == 1 or not _is_unknown(height):
        return False
    rows, columns = height[0], width[0]  # tokens, some of them removed, laid out as a grid again
    laid_out = rows.label == columns.label and rows.step == columns.size and columns.step == 1
    return laid_out and rows.size * rows.step == rows.whole


_APART = (1009, 1013, 1019, 1021, 1031, 1033, 1039)
# Functions that work on pictures: torch takes their last two axes for height and width.
_PICTURES = {"conv2d", "conv_transpose2d", "deform_conv2d", "batch_norm", "instance_norm", "local_response_norm"}
_PICTURES |= {"max_pool2d", "_max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "adaptive_avg_pool2d"}
_PICTURES |= {"adaptive_max_pool2d", "_adaptive_avg_pool2d", "_adaptive_max_pool2d", "lp_pool2d", "max_unpool2d"}
_PICTURES |= {"adaptive_max_pool2d_with_indices", "fractional_max_pool2d", "interpolate", "upsample", "grid_sample"}
_PICTURES |= {"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"}
_REGROUPING = {"view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "ravel", "squeeze", "unsqueeze"}
_PERMUTING = {"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "T", "mT", "H", "mH", "t"}
_PERMUTING |= {"adjoint", "rot90"}
_REDUCING = {"mean", "sum", "amax", "amin"}
_PRODUCTS = {"matmul", "__matmul__", "bmm", "scaled_dot_product_attention"}
